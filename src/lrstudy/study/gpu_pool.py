"""A process pool whose tasks run on the GPUs of this machine, several on each at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from lrstudy.crash_safe_pool import CrashSafePool, WorkerDied
from lrstudy.study.gpu_errors import CrowdedGpuError, GpuError, GpuFailedError, GpuMemoryError
from lrstudy.study.gpu_slots import GpuSlots
from lrstudy.study.pinned_settings import pin_settings

Answer = TypeVar("Answer")


class GpuPool(CrashSafePool):
    """A `CrashSafePool` that shares GPUs out to its tasks, by the settings among their arguments.

    A process uses one GPU as long as it lives, since it occupies memory there until it ends. A task that finds too
    little memory beside others, or whose worker dies, costs its GPU a slot, so that its retry has fewer beside it.

    Args:
        slots: the trainings at a time on each GPU, by its name.
        mp_context: as of `CrashSafePool`.
        initializer: as of `CrashSafePool`.
        initargs: as of `CrashSafePool`.
    """

    def __init__(
        self,
        slots: Mapping[str, int],
        mp_context: BaseContext,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        self.slots = GpuSlots(slots)
        super().__init__(self.slots.total, mp_context, initializer, initargs)

    def _run(self, task: partial[Answer]) -> Answer:
        gpu = self._take_slot()
        pinned = partial(task.func, *pin_settings(task.args, device=gpu), **task.keywords)
        try:
            return super()._run(pinned)
        except WorkerDied:
            self.slots.shrink(gpu)
            raise
        except GpuError as error:
            self._end_worker()
            if not isinstance(error, GpuMemoryError):
                raise GpuFailedError(str(error)) from None
            if self.slots.shrink(gpu):
                raise CrowdedGpuError(f"{error}; fewer trainings share {gpu} now") from None
            if self.slots.close(gpu):
                raise CrowdedGpuError(f"{error}; {gpu} is not used any more") from None
            raise
        finally:
            self.slots.give_back(gpu)
            if len(self._workers) > self.slots.total:
                self._end_worker()

    def _take_slot(self) -> str:
        """Return the GPU to train on; end the process of this thread if it cannot be used there."""
        own = getattr(self._of_thread, "gpu", None)
        gpu = self.slots.take(own)
        if gpu is None:
            self._end_worker()
            gpu = self.slots.wait()
        if gpu != own:
            self._end_worker()
        self._of_thread.gpu = gpu
        return gpu
