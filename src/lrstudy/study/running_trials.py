"""The trials that an executor runs now, and their retries."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from lrstudy.study import worker_tasks
from lrstudy.study.retried_task import may_retry
from lrstudy.study.trial_job import TrialJob
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.training.result import WorkerResult
from lrstudy.training.specification import TrialSpecification
from lrstudy.training.verdict import Verdict

POLL_SECONDS = 0.1


@dataclass
class RunningTrial:
    """A trial from the claim of its run to its end.

    `last_logged` is the last epoch that the server has or is being sent, `last_reported` the last that the proposer
    knows, -1 if there is none. A trial that the proposer has stopped there has the verdict `stopped`.
    `errors` are the deaths of its workers.
    """

    number: int
    specification: TrialSpecification
    run: TrackedRun
    last_logged: int = -1
    last_reported: int = -1
    stopped: Verdict | None = None
    errors: list[BaseException] = field(default_factory=list)


class RunningTrials:
    """The trials that `executor` runs; their workers send progress to `address`."""

    def __init__(self, executor: Executor, address: Path) -> None:
        self._executor = executor
        self._address = address
        self._futures: dict[Future[WorkerResult], RunningTrial] = {}

    def __len__(self) -> int:
        return len(self._futures)

    def find(self, number: int) -> RunningTrial | None:
        """Return the running trial with this number, if there is one."""
        return next((trial for trial in self._futures.values() if trial.number == number), None)

    def submit(self, trial: RunningTrial) -> None:
        """Run a trial as soon as a worker is free."""
        specification = trial.specification
        job = TrialJob(trial.number, trial.run.run_id, specification.key, specification.settings, self._address)
        self._futures[self._executor.submit(worker_tasks.train, job)] = trial

    def retry(self, trial: RunningTrial, error: BaseException | None) -> bool:
        """Run a trial again if `error` is the death of its worker, and it has attempts left; return whether it runs."""
        if not isinstance(error, BrokenExecutor):
            return False
        trial.errors.append(error)
        if not may_retry(trial.errors):
            return False
        self.submit(trial)
        return True

    def wait(self, idle_seconds: float) -> list[Future[WorkerResult]]:
        """Return the futures that are done, after a moment at most; without trials, wait `idle_seconds`."""
        if self._futures:
            wait(self._futures, POLL_SECONDS, FIRST_COMPLETED)
        else:
            time.sleep(idle_seconds)
        return [future for future in self._futures if future.done()]

    def pop(self, future: Future[WorkerResult]) -> RunningTrial:
        """Remove a future that is done; return its trial."""
        return self._futures.pop(future)
