"""Send the data of a study to the machines that lack them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from lrstudy.cluster import machines
from lrstudy.cluster.checks import MachineRefusedError
from lrstudy.cluster.child_tasks import ChildTasks
from lrstudy.cluster.machines import MISSING, MachineReport
from lrstudy.cluster.scheduler import Scheduler
from lrstudy.cluster.workers import ClusterWorker
from lrstudy.data import received
from lrstudy.data.received import SentData


class Sender:
    """A sender of the data of a study: once to each cache, which workers on a machine share.

    Args:
        scheduler: forwards the data.
        tasks: run in the children of workers.
        session: the name of the session.
        prepare: returns the data, the first time that a machine lacks them.
    """

    def __init__(
        self, scheduler: Scheduler, tasks: ChildTasks, session: str, prepare: Callable[[], Awaitable[SentData]]
    ) -> None:
        self._scheduler = scheduler
        self._tasks = tasks
        self._session = session
        self._prepare = prepare
        self._prepared: SentData | None = None
        self._preparing = asyncio.Lock()
        self._sending: dict[tuple[str, str], asyncio.Lock] = {}

    async def provide(self, worker: ClusterWorker, inspect: partial[MachineReport], cache: str) -> MachineReport:
        """Send the data to the cache of a worker unless another worker has got them there; return a new report.

        Raises:
            MachineRefusedError: they did not arrive as they were sent.
        """
        async with self._sending.setdefault((worker.machine, cache), asyncio.Lock()):
            report = await self._tasks.run(worker, inspect)
            if report.digest != MISSING:
                return report
            async with self._preparing:
                self._prepared = self._prepared or await self._prepare()
            await self._send(worker, self._prepared)
            return await self._tasks.run(worker, inspect)

    async def _send(self, worker: ClusterWorker, sent: SentData) -> None:
        part: Path | None = None
        if not await self._tasks.run(worker, partial(machines.has_pixels, sent.pixels_digest)):
            part = await self._tasks.run(worker, partial(received.part_path, sent.pixels_digest, self._session))
            for offset, content in received.chunks(sent.pixels):
                call = self._scheduler.call(worker.address, "write_chunk", str(part), offset, content)
                await self._tasks.until_lost(worker, call)
            print(f"cluster: data sent to {worker.machine}, {sent.pixels.stat().st_size / 2**20:.1f} MiB", flush=True)
        if problem := await self._tasks.run(worker, partial(received.finish, part, sent)):
            raise MachineRefusedError(problem)
