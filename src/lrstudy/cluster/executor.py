"""The executor that runs the trials of a study on the workers of a cluster."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from lrstudy.cluster.admission import Admission
from lrstudy.cluster.child_tasks import ChildTasks
from lrstudy.cluster.machines import StudyInputs, read_inputs
from lrstudy.cluster.pinning import pin, run_id_of
from lrstudy.cluster.progress import ClusterProgress
from lrstudy.cluster.scheduler import Scheduler
from lrstudy.cluster.workers import ClusterWorkers
from lrstudy.compat.processes import block_interrupts
from lrstudy.settings import TrainSettings
from lrstudy.study import worker_tasks
from lrstudy.study.retried_task import RetriedTask
from lrstudy.training.specification import PreflightResult

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class ClusterExecutor(Executor):
    """An executor of tasks on the workers of a Dask scheduler, as many at a time as they have free slots.

    A task whose worker is lost fails with `WorkerLost`, one whose process dies with `WorkerDied`; once the scheduler is
    lost, all tasks fail with `ClusterError`. `progress` has the messages of the trials that run.

    Args:
        cluster: the address of the scheduler, or `local:N` to start one with N workers here.
    """

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._session = uuid.uuid4().hex
        self._loop = asyncio.new_event_loop()
        self._running: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._run_loop, daemon=True)
        self._thread.start()
        self._connection = self._spawn(self._connect())

    @property
    def slots(self) -> int:
        """The number of tasks that run at a time now, at least 1."""
        return max(1, self._workers.slots)

    def begin(self, local: Executor, trainings: Sequence[TrainSettings], checkpoints: Path | None) -> StudyInputs:
        """Compare the machines of the workers with this one, for these trainings, and send data to those without them.

        Returns when the workers that are there now have been compared, and one of them can train; workers that join
        later are compared then.

        Args:
            local: reads the data on this machine.
            trainings: at least one for each optimizer and each shape of network.
            checkpoints: the folder of checkpoints that the machines share, if there is one.

        Raises:
            ClusterError: no scheduler answers, or no worker can be used.
            DataError: the images are missing, broken, or too few.
        """
        reading = RetriedTask(local, read_inputs, tuple(trainings))
        self._connection.result()
        inputs = reading.result()
        marker = checkpoints / f".lrstudy-{self._session}" if checkpoints else None
        if marker:
            marker.touch()
        self._spawn(self._admission.begin(local, trainings[0], inputs, marker)).result()
        return inputs

    def preflight(
        self, local: Executor, trainings: Sequence[TrainSettings], checkpoints: Path | None, *, time_epochs: bool
    ) -> ClusterPreflight:
        """Return the preflight of these trainings, which runs when its result is asked for; see `begin`."""
        return ClusterPreflight(self, local, trainings, checkpoints, time_epochs)

    def describe(self) -> str:
        """Return a line on the workers."""
        return f"cluster: {self._cluster}, {self._workers.describe()}"

    def submit(
        self, function: Callable[Arguments, Answer], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Answer]:
        runtime = self._admission.runtime
        task = partial(function, *(pin(argument, runtime) for argument in args), **kwargs)
        return self._spawn(self._run(task, run_id_of(args)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - ends all tasks
        """Cancel queued and running tasks, and leave the cluster as it was."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run_loop(self) -> None:
        block_interrupts()  # also in local workers, which this thread starts
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _spawn(self, coroutine: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        """Run a coroutine in the event loop until `shutdown`."""

        async def tracked() -> Answer:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101
            self._running.add(task)
            try:
                return await coroutine
            finally:
                self._running.discard(task)

        return asyncio.run_coroutine_threadsafe(tracked(), self._loop)

    async def _connect(self) -> None:
        self._workers = ClusterWorkers()
        self._scheduler = await Scheduler.connect(self._cluster)
        self._tasks = ChildTasks(self._scheduler, self._session)
        self._admission = Admission(self._scheduler, self._workers, self._tasks, self._session)
        self.progress = ClusterProgress(self._tasks, self._spawn)
        self._scheduler.watch(self._admission.add, self._admission.remove, self.progress.receive)
        await self._admission.find_workers()

    async def _run(self, task: partial[Answer], run_id: str) -> Answer:
        worker = await self._tasks.until_scheduler_lost(self._workers.take(self._tasks.processors.get(run_id)))
        try:
            self._tasks.processors[run_id] = worker.processor
            answer: Answer = await self._tasks.run(worker, task)
            return answer
        finally:
            await self._workers.give_back(worker)

    async def _close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        connection = self._connection
        if connection.done() and not connection.cancelled() and not connection.exception():
            await self._admission.close()
            await self._scheduler.close()


@dataclass(frozen=True)
class ClusterPreflight:
    """The preflight of a study on a worker of a cluster, with the state of the files on the driver's machine."""

    cluster: ClusterExecutor
    local: Executor
    trainings: Sequence[TrainSettings]
    checkpoints: Path | None
    time_epochs: bool

    def result(self) -> PreflightResult:
        """Wait for the preflight and return its result; see `ClusterExecutor.begin`."""
        return self._result

    @cached_property
    def _result(self) -> PreflightResult:
        began = time.perf_counter()
        inputs = self.cluster.begin(self.local, self.trainings, self.checkpoints)
        task = RetriedTask(self.cluster, worker_tasks.run_preflight, list(self.trainings), time_epochs=self.time_epochs)
        found = task.result()
        data = replace(found.context.data, files_state=inputs.files_state)
        # Time that says nothing of how fast this machine draws and saves.
        seconds = time.perf_counter() - began
        return replace(found, context=replace(found.context, data=data), data_seconds=seconds)
