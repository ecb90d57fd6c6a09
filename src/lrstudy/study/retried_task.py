"""A task that is submitted again when its worker dies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor
from functools import partial
from typing import Generic, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

MAX_TRIES = 3
# A machine is mostly lost by no fault of the task, as when a batch system ends a job; a task that brings its machine
# down must end all the same.
MAX_LOST_WORKERS = 20


class WorkerLost(BrokenExecutor):
    """The worker of a task was lost with its process or its machine, or cut off."""


def may_retry(errors: Sequence[BaseException]) -> bool:
    """Return whether a task that has failed with these errors, one after the other, is tried again."""
    lost = sum(isinstance(error, WorkerLost) for error in errors)
    died = sum(isinstance(error, BrokenExecutor) for error in errors) - lost
    return died < MAX_TRIES and lost < MAX_LOST_WORKERS


class RetriedTask(Generic[Answer]):
    """A task of `executor` that has begun; like `concurrent.futures.Future`, but for retries.

    Args:
        executor: runs the task.
        function: called with the remaining arguments; the same call may be repeated.
    """

    def __init__(
        self,
        executor: Executor,
        function: Callable[Arguments, Answer],
        /,
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> None:
        self._submit = partial(executor.submit, function, *args, **kwargs)
        self._future = self._submit()

    def result(self) -> Answer:
        """Wait for the task and return its result.

        Raises:
            BrokenExecutor: its worker died every time.
        """
        errors: list[BaseException] = []
        while True:
            try:
                return self._future.result()
            except BrokenExecutor as error:
                errors.append(error)
                if not may_retry(errors):
                    raise
            self._future = self._submit()
