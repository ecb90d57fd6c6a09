"""The admission of workers to a study: of those that are there when it begins, and of those that join later."""

from __future__ import annotations

import asyncio
import math
import pickle
import shutil
import sys
import tempfile
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from lrstudy import provenance
from lrstudy.cluster import machines
from lrstudy.cluster.checks import MachineRefusedError, compare_devices, compare_inputs, compare_versions
from lrstudy.cluster.child import RELAY_SECONDS
from lrstudy.cluster.child_tasks import ChildTasks
from lrstudy.cluster.machines import MISSING, StudyInputs
from lrstudy.cluster.pinning import StudyRuntime, choose_runtime
from lrstudy.cluster.scheduler import Scheduler, TaskLostError
from lrstudy.cluster.sender import Sender
from lrstudy.cluster.shipped import package_archive
from lrstudy.cluster.workers import ClusterWorker, ClusterWorkers, describe_problems
from lrstudy.data.received import SentData
from lrstudy.errors import ClusterError
from lrstudy.redaction import first_line
from lrstudy.settings import TrainSettings

# After one worker has been compared, the others, which may be busy with tasks of others, are waited for this long.
GRACE_SECONDS = 15.0
# The scheduler is asked that often for its workers, beside its reports.
SECONDS_BETWEEN_SEARCHES = 10.0
# The scheduler and this process handle this many progress messages per second.
MESSAGES_PER_SECOND = 200.0
MIN_SECONDS_BETWEEN_MESSAGES = 0.25


@dataclass(frozen=True)
class _Study:
    """The reference for workers: one of the trainings, the inputs on this machine, and the shared checkpoints."""

    training: TrainSettings
    inputs: StudyInputs
    checkpoints: Path | None
    sender: Sender


class Admission:
    """The admission of workers. Its methods belong to one event loop; `runtime` is known once a study has begun."""

    runtime: StudyRuntime

    def __init__(self, scheduler: Scheduler, workers: ClusterWorkers, tasks: ChildTasks, session: str) -> None:
        self._scheduler = scheduler
        self._workers = workers
        self._tasks = tasks
        self._session = session
        self._code = package_archive()
        self._versions = provenance.versions() | {"distributed": version("distributed")}
        self._folder = Path(tempfile.mkdtemp(prefix="lrstudy-"))
        self._study: _Study | None = None
        self._has_begun = False
        self._running: set[asyncio.Future[None]] = set()
        self._keep(asyncio.ensure_future(self._search()))

    def add(self, address: str) -> None:
        """Add a worker that is not known yet, and admit it if a study has begun."""
        if address in self._workers.by_address:
            return
        worker = self._workers.by_address[address] = ClusterWorker(address)
        if self._study:
            self._start(worker)
        self._keep(asyncio.ensure_future(self._workers.notify()))

    def remove(self, address: str) -> None:
        """Remove a worker; the calls that wait for it fail."""
        if worker := self._workers.by_address.pop(address, None):
            worker.lost.set_result(None)
            if worker.admitted and not self._workers.admitted:
                print("cluster: no worker is left; waiting for one to join", file=sys.stderr, flush=True)
            self._keep(asyncio.ensure_future(self._workers.notify()))

    async def begin(
        self, local: Executor, training: TrainSettings, inputs: StudyInputs, checkpoints: Path | None
    ) -> None:
        """Compare all workers, choose the device and the threads, and admit the workers that have them.

        Raises:
            ClusterError: no worker can be used.
        """

        async def prepare() -> SentData:
            prepared = local.submit(machines.prepare_to_send, inputs.settings, self._folder)
            return await asyncio.wrap_future(prepared)

        sender = Sender(self._scheduler, self._tasks, self._session, prepare)
        self._study = _Study(training, inputs, checkpoints, sender)
        self._has_begun = False
        for worker in self._workers.by_address.values():
            worker.admitted, worker.problem, worker.report = False, "", None
            self._start(worker)
        await self._tasks.until_scheduler_lost(self._wait_for_workers())
        reported = [worker for worker in self._workers.by_address.values() if worker.report]
        self.runtime = choose_runtime(training, reported)
        self._has_begun = True
        for worker in reported:
            self._admit(worker)
        if not self._workers.admitted:
            raise self._none_usable()

    async def close(self) -> None:
        """Remove all that the study has left on the workers and here."""
        self._tasks.close()
        for running in self._running:
            running.cancel()
        if self._study and self._study.checkpoints:
            self._study.checkpoints.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        if not self._scheduler.is_lost:
            await asyncio.gather(*(self._close_session(worker) for worker in self._workers.by_address.values()))

    async def find_workers(self) -> None:
        """Add and remove the workers whose coming or going was not reported, as before this process listened."""
        known = set(self._workers.by_address)
        present = await self._scheduler.workers()
        for address in present:
            self.add(address)
        for address in known - set(present):
            self.remove(address)

    async def _search(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_SEARCHES)
            with suppress(OSError):  # the connection has ended
                await self.find_workers()

    def _start(self, worker: ClusterWorker) -> None:
        self._keep(asyncio.ensure_future(self._compare(worker)))

    def _keep(self, running: asyncio.Future[None]) -> None:
        """Keep a reference to what runs in the background, as the event loop does not."""
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _wait_for_workers(self) -> None:
        """Wait until the workers are compared, or one of them is and the others take long.

        Raises:
            ClusterError: none can be used.
        """
        clock, deadline, announced = asyncio.get_running_loop().time, math.inf, False
        async with self._workers.changed:
            while True:
                workers = list(self._workers.by_address.values())
                reported = [worker for worker in workers if worker.report]
                waiting = [worker for worker in workers if not worker.report and not worker.problem]
                if workers and not waiting:
                    break
                if reported and (deadline := min(deadline, clock() + GRACE_SECONDS)) <= clock():
                    break
                if not workers and not announced:
                    print("cluster: waiting for a worker to join", file=sys.stderr, flush=True)
                    announced = True
                with suppress(TimeoutError):
                    left = deadline - clock() if reported else None
                    await asyncio.wait_for(self._workers.changed.wait(), left)
        if not reported:
            raise self._none_usable()

    async def _compare(self, worker: ClusterWorker) -> None:
        """Compare the machine of a worker with this one; admit the worker if the study has begun."""
        try:
            await self._inspect(worker)
            if self._has_begun:
                self._admit(worker)
        except MachineRefusedError as refusal:
            self._refuse(worker, str(refusal))
        except Exception as error:  # such as a child that died, or a full disk
            if not worker.lost.done():
                self._refuse(worker, f"it cannot be tried out: {first_line(error) or type(error).__name__}")
        await self._workers.notify()

    async def _inspect(self, worker: ClusterWorker) -> None:
        study = self._study
        assert study is not None  # noqa: S101
        seconds = max(MIN_SECONDS_BETWEEN_MESSAGES, len(self._workers.by_address) / MESSAGES_PER_SECOND)
        initializer = partial(
            machines.prepare,
            Path.cwd(),
            study.inputs.settings,
            study.inputs.digest,
            study.inputs.files,
            study.checkpoints,
        )
        opened = await self._tasks.until_lost(
            worker,
            self._scheduler.call(
                worker.address,
                "open_session",
                self._session,
                self._code,
                {RELAY_SECONDS: str(seconds)},
                pickle.dumps(initializer),
                [name for name in self._versions if name != "python"],
            ),
        )
        worker.machine, worker.threads = opened["machine"], opened["threads"]
        compare_versions(opened["versions"], self._versions)
        inspect = partial(machines.inspect, study.training, study.checkpoints)
        report = await self._tasks.run(worker, inspect)
        if report.digest == MISSING:
            report = await study.sender.provide(worker, inspect, report.cache)
        compare_inputs(report, study.inputs)
        worker.report = report
        if not report.has_checkpoints:
            print(
                f"cluster: {worker.machine} does not see checkpoints={study.checkpoints and study.checkpoints.parent}; "
                "a training that is interrupted there starts over",
                file=sys.stderr,
                flush=True,
            )

    def _admit(self, worker: ClusterWorker) -> None:
        """Admit a worker that has been compared, or refuse it for its device."""
        assert worker.report is not None  # noqa: S101
        try:
            device = compare_devices(worker.report, self.runtime)
        except MachineRefusedError as refusal:
            self._refuse(worker, str(refusal))
            return
        worker.processor, worker.slots = device.processor, self.runtime.slots(worker.threads)
        worker.admitted = True

    def _refuse(self, worker: ClusterWorker, problem: str) -> None:
        worker.problem, worker.report = problem, None
        print(f"cluster: {worker.name} is not used: {problem}", file=sys.stderr, flush=True)
        self._keep(asyncio.ensure_future(self._close_session(worker)))

    async def _close_session(self, worker: ClusterWorker) -> None:
        with suppress(TaskLostError):
            await self._scheduler.call(worker.address, "close_session", self._session)

    def _none_usable(self) -> ClusterError:
        problems = describe_problems(worker for worker in self._workers.by_address.values() if worker.problem)
        return ClusterError(f"no worker of the cluster can be used: {problems or 'none is left'}.")
