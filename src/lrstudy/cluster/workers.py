"""The workers of a cluster: the state of each, and the choice of the one that runs the next task."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from lrstudy.cluster.machines import MachineReport
from lrstudy.formatting import join_and, pluralize

MAX_NAMED = 5


@dataclass(eq=False)
class ClusterWorker:
    """A worker of the cluster.

    Its machine, whose `report` it has made, is compared with the driver's; then it is `admitted`, or refused for a
    `problem`. `processor` is the kind that it computes with, `slots` the number of tasks that it runs at a time, of
    which `running` are taken. `lost` is done when the scheduler has removed it.
    """

    address: str
    machine: str = ""
    threads: int = 1
    processor: str = ""
    slots: int = 0
    running: int = 0
    admitted: bool = False
    problem: str = ""
    report: MachineReport | None = None
    lost: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def name(self) -> str:
        """The worker in words: its machine and its address."""
        return f"{self.machine or 'a machine'} ({self.address})"


class ClusterWorkers:
    """All workers of the cluster, by their addresses. Its methods belong to one event loop."""

    def __init__(self) -> None:
        self.by_address: dict[str, ClusterWorker] = {}
        self.changed = asyncio.Condition()

    @property
    def admitted(self) -> list[ClusterWorker]:
        """The workers that may train."""
        return [worker for worker in list(self.by_address.values()) if worker.admitted]

    @property
    def slots(self) -> int:
        """The number of tasks that run at a time."""
        return sum(worker.slots for worker in self.admitted)

    def describe(self) -> str:
        """Return a clause on the admitted workers and their machines."""
        machines = list(dict.fromkeys(worker.machine for worker in self.admitted))
        named = join_and(machines[:MAX_NAMED], len(machines))
        return f"{pluralize(len(self.admitted), 'worker')} on {pluralize(len(machines), 'machine')} ({named})"

    async def notify(self) -> None:
        """Wake up all that wait for a change of a worker."""
        async with self.changed:
            self.changed.notify_all()

    async def take(self, processor: str | None = None) -> ClusterWorker:
        """Wait for a worker with a free slot, take the slot, and return the worker.

        Args:
            processor: the kind of processor on which an earlier try of the task ran; another kind is only used if
                no worker has this one.
        """
        async with self.changed:
            while (worker := self._free(processor)) is None:
                await self.changed.wait()
            worker.running += 1
            return worker

    async def give_back(self, worker: ClusterWorker) -> None:
        """Free a slot."""
        worker.running -= 1
        await self.notify()

    def _free(self, processor: str | None) -> ClusterWorker | None:
        """Return the worker with the largest share of free slots; None if all are taken."""
        alike = [worker for worker in self.admitted if worker.processor == processor]
        free = [worker for worker in alike or self.admitted if worker.running < worker.slots]
        return min(free, key=lambda worker: worker.running / worker.slots, default=None)


def describe_problems(workers: Iterable[ClusterWorker]) -> str:
    """Return a clause on the reasons why workers are not used, each once."""
    reasons = list(dict.fromkeys(f"{worker.machine or worker.address}: {worker.problem}" for worker in workers))
    return "; ".join(reasons[:MAX_NAMED]) + "; …" * (len(reasons) > MAX_NAMED)
