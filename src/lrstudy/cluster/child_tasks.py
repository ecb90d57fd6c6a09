"""Run tasks in the children of workers, and notice at once when a worker or the scheduler is lost."""

from __future__ import annotations

import asyncio
import pickle
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from lrstudy.cluster.agent import ANSWERED, DIED
from lrstudy.cluster.scheduler import PROGRESS_TOPIC, Scheduler, TaskLostError
from lrstudy.cluster.workers import ClusterWorker
from lrstudy.crash_safe_pool import WorkerDied
from lrstudy.errors import ClusterError
from lrstudy.study.retried_task import WorkerLost

Answer = TypeVar("Answer")

SECONDS_BETWEEN_LOOKS = 0.2


class ChildTasks:
    """The tasks that run: `workers` by the names of the tasks; `processors` are the kinds that runs were tried on."""

    def __init__(self, scheduler: Scheduler, session: str) -> None:
        self._scheduler = scheduler
        self._session = session
        self._scheduler_lost = asyncio.Event()
        self._watching = asyncio.ensure_future(self._watch_scheduler())
        self.workers: dict[str, ClusterWorker] = {}
        self.processors: dict[str, str] = {}

    async def run(self, worker: ClusterWorker, task: partial[Answer]) -> Answer:
        """Run a task in a child of a worker, and return its result or raise its exception.

        Raises:
            WorkerDied: the child died.
            WorkerLost: the worker was lost.
            ClusterError: the scheduler was lost.
        """
        name = uuid.uuid4().hex
        self.workers[name] = worker
        content = pickle.dumps(task)
        try:
            kind, answer = await self.until_lost(
                worker, self._scheduler.run(worker.address, "run_task", self._session, name, content, PROGRESS_TOPIC)
            )
        finally:
            del self.workers[name]
        if kind == DIED:
            raise WorkerDied(answer)
        if kind != ANSWERED:
            raise WorkerLost(f"{worker.name} was restarted")
        succeeded, result = pickle.loads(answer)  # noqa: S301 - from a worker of the user's cluster
        if not succeeded:
            raise result
        return result  # type: ignore[no-any-return]

    async def control(self, name: str, content: bytes) -> None:
        """Send a control message to the child that runs a task, if it still runs."""
        if worker := self.workers.get(name):
            with suppress(TaskLostError):
                await self._scheduler.call(worker.address, "control", self._session, name, content)

    async def until_lost(self, worker: ClusterWorker, call: Awaitable[Answer]) -> Answer:
        """Return the result of a call to a worker.

        Raises:
            WorkerLost: the worker was lost.
            ClusterError: the scheduler was lost.
        """
        return await self._until(call, worker.lost, lambda reason: WorkerLost(f"{worker.name} was lost{reason}"))

    async def until_scheduler_lost(self, call: Awaitable[Answer]) -> Answer:
        """Return the result of a call.

        Raises:
            ClusterError: the scheduler was lost.
        """
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return await self._until(call, never, RuntimeError)

    def close(self) -> None:
        """Stop watching the scheduler."""
        self._watching.cancel()

    async def _until(
        self, call: Awaitable[Answer], lost: asyncio.Future[None], error: Callable[[str], Exception]
    ) -> Answer:
        running = asyncio.ensure_future(call)
        scheduler_lost = asyncio.ensure_future(self._scheduler_lost.wait())
        try:
            futures: list[asyncio.Future[Any]] = [running, lost, scheduler_lost]
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
            if self._scheduler.is_lost:
                raise scheduler_lost_error()
            raise error("")
        except TaskLostError as reason:
            # The scheduler drops the tasks of a client that it has lost, before this client knows.
            if self._scheduler.is_lost:
                raise scheduler_lost_error() from None
            raise error(f" ({reason})") from None
        finally:
            running.cancel()
            scheduler_lost.cancel()

    async def _watch_scheduler(self) -> None:
        while not self._scheduler.is_lost:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        self._scheduler_lost.set()


def scheduler_lost_error() -> ClusterError:
    """Return the error of a study whose scheduler was lost."""
    return ClusterError(
        "the connection to the Dask scheduler has ended; finished trainings are kept, and the same command, with a "
        "cluster that runs, trains the rest."
    )
