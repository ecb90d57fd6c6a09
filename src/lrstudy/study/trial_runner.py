"""Runs the trials of a study: reuses what is on the server, trains what is missing, survives workers that die."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from mlflow.entities import Run

from lrstudy.errors import LearningRateStudyError
from lrstudy.server_names import BEST_VAL_ACCURACY, BEST_VAL_LOSS, VERDICT
from lrstudy.settings import TrainSettings
from lrstudy.study import worker_tasks
from lrstudy.study.progress_channel import ProgressChannel
from lrstudy.study.study_run import StudyRun, claim, log_crash, log_outcome, log_pruned, take_in
from lrstudy.study.trial_job import TrialJob
from lrstudy.study.trial_result import PRUNED, TrialResult, best_of
from lrstudy.tracking.claims import validation_curve
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.tracking.training_run import log_setup
from lrstudy.training.epoch import Epoch
from lrstudy.training.result import WorkerResult, pruned_result
from lrstudy.training.specification import PreflightResult, TrialSpecification

TRIES = 3
SECONDS_BETWEEN_LOOKS = 0.1
# Of a training that another process is at, the server is asked so often.
SECONDS_BETWEEN_QUESTIONS = 1.0


class Proposer(Protocol):
    """Says which trainings a study is made of."""

    prunes: bool

    @property
    def planned(self) -> int:
        """The number of trainings, as far as is known."""

    def propose(self) -> TrainSettings | None:
        """The next training; None where none is left, or none before what runs has ended."""

    def heard(self, number: int, epoch: Epoch) -> bool:
        """Whether a trial that got so far is to stop."""

    def tell(self, done: TrialResult) -> None:
        """Takes how a trial ended."""


class Watcher(Protocol):
    """Is told how a study goes on."""

    def started(self, number: int, specification: TrialSpecification) -> None:
        """A trial has begun."""

    def epoch(self, number: int, epoch: Epoch) -> None:
        """A trial has got so far."""

    def done(self, done: TrialResult) -> None:
        """A trial has ended, or had before."""


@dataclass
class _Trial:
    """A trial under way.

    `logged` is the last epoch that the server has or is being sent, `heard` the last that the proposer was told of, -1
    where none; `last` is the epoch that it is to end with, if the proposer says so.
    """

    number: int
    specification: TrialSpecification
    run: TrackedRun
    logged: int
    heard: int = -1
    last: int | None = None
    tries: int = 1


class TrialRunner:
    """The trials of a study, `at_a_time` of them given to an executor, in the order in which they are proposed.

    What ended before is reused. A worker that dies costs its trial a try. When this ends by an exception, what was
    running is marked as killed.
    """

    def __init__(
        self,
        proposer: Proposer,
        survey: PreflightResult,
        study: StudyRun,
        executor: Executor,
        at_a_time: int,
        watcher: Watcher,
    ) -> None:
        self._proposer = proposer
        self._survey = survey
        self._study = study
        self._executor = executor
        self._at_a_time = at_a_time
        self._watcher = watcher
        self._proposed = 0
        self._deferred: deque[tuple[int, TrialSpecification]] = deque()
        self._asked = 0.0
        self._running: dict[Future[WorkerResult], _Trial] = {}
        self._open: dict[str, TrackedRun] = {}
        self._done: list[TrialResult] = []
        # The best that was trained now, with what it came to.
        self.best: tuple[TrialResult, WorkerResult] | None = None
        # Where the time went, in seconds: that of all workers for the first two, of the driver for the last.
        self.seconds = {"train": 0.0, "validation": 0.0, "tracking": 0.0}

    def run(self, mailbox: ProgressChannel) -> list[TrialResult]:
        """Runs them all, and gives what became of them by their numbers.

        Raises:
            LearningRateStudyError: the server is gone, or the data have changed.
        """
        try:
            self._fill(mailbox)
            while self._running or self._deferred:
                ended = self._wait(mailbox)
                settled = filter(None, [self._settle(trial, future, mailbox) for future, trial in ended.items()])
                # The workers go on with the next trials while the server is told of the last ones.
                self._fill(mailbox)
                with self._tracking():
                    for trial, outcome in settled:
                        self._log_end(trial, outcome)
                    self._study.run.outbox.wait_for_space()
        except BaseException:
            for run in self._open.values():
                run.end("KILLED", despite_rejections=True)
            raise
        return sorted(self._done, key=lambda done: done.number)

    @contextmanager
    def _tracking(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds["tracking"] += time.perf_counter() - began

    def _fill(self, mailbox: ProgressChannel) -> None:
        """Gives the executor as much as it takes at a time, and then tells the server of it."""
        begun = []
        while len(self._running) < self._at_a_time and (trial := self._next()):
            self._submit(trial, mailbox)
            self._watcher.started(trial.number, trial.specification)
            begun.append(trial)
        with self._tracking():
            for trial in begun:
                log_setup(trial.run, trial.specification)

    def _next(self) -> _Trial | None:
        """The next trial to run. What is found finished on the way is taken in; then there may be more to propose."""
        ended = -1
        while ended < len(self._done):
            ended = len(self._done)
            while (settings := self._proposer.propose()) is not None:
                number, self._proposed = self._proposed, self._proposed + 1
                if trial := self._claim(number, self._survey.describe(settings), beside_others=False):
                    return trial
            if trial := self._next_deferred():
                return trial
        return None

    def _next_deferred(self) -> _Trial | None:
        """The next of those that others were at when they were proposed; the server is asked every second or so."""
        if time.monotonic() - self._asked < SECONDS_BETWEEN_QUESTIONS:
            return None
        for _ in range(len(self._deferred)):
            if trial := self._claim(*self._deferred.popleft(), beside_others=not self._running):
                return trial
        self._asked = time.monotonic()
        return None

    def _claim(self, number: int, specification: TrialSpecification, *, beside_others: bool) -> _Trial | None:
        with self._tracking():
            claimed = claim(self._study, specification, prunes=self._proposer.prunes, beside_others=beside_others)
        if isinstance(claimed, Run):
            take_in(self._study, claimed)
            self._end(self._reused(number, specification, claimed))
        elif claimed is None:
            self._deferred.append((number, specification))
        else:
            self._open[claimed.run_id] = claimed
            return _Trial(number, specification, claimed, claimed.existing.last_epoch)
        return None

    def _reused(self, number: int, specification: TrialSpecification, run: Run) -> TrialResult:
        run_id, metrics, verdict = run.info.run_id, run.data.metrics, run.data.tags[VERDICT]
        outbox, client = self._study.run.outbox, self._study.run.client
        points: list[tuple[int, float]] = []
        if self._proposer.prunes:  # which goes without while the server is away
            points = outbox.query_or(lambda: validation_curve(client, run_id), list)
        scores = metrics[BEST_VAL_LOSS], metrics[BEST_VAL_ACCURACY]
        return TrialResult(number, specification, run_id, *scores, verdict, reused=True, curve=points)

    def _submit(self, trial: _Trial, mailbox: ProgressChannel) -> None:
        job = TrialJob(
            trial.number, trial.run.run_id, trial.specification.key, trial.specification.settings, mailbox.address
        )
        self._running[self._executor.submit(worker_tasks.train, job)] = trial

    def _wait(self, mailbox: ProgressChannel) -> dict[Future[WorkerResult], _Trial]:
        """Waits a moment for trials to end, and takes those out that have; passes on what others tell meanwhile."""
        if self._running:
            wait(self._running, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
        else:  # others are at all that is left
            time.sleep(SECONDS_BETWEEN_QUESTIONS)
        ended = {future: trial for future, trial in self._running.items() if future.done()}
        trials = {trial.number: trial for trial in self._running.values()}
        for number, epoch in mailbox.letters():
            if (trial := trials.get(number)) and trial.last is None:
                self._hear(trial, epoch)
                if trial.last is not None:
                    mailbox.stop(number, trial.last)
        for future in ended:
            del self._running[future]
        return ended

    def _hear(self, trial: _Trial, epoch: Epoch) -> None:
        self._watcher.epoch(trial.number, epoch)
        # A trial that is tried again gives the same bits again: the server has them.
        if epoch.epoch == trial.logged + 1:
            trial.run.log_epoch(epoch)
            trial.logged = epoch.epoch
        if epoch.epoch > trial.heard:
            trial.heard = epoch.epoch
            if self._proposer.heard(trial.number, epoch):
                trial.last = epoch.epoch

    def _settle(
        self, trial: _Trial, future: Future[WorkerResult], mailbox: ProgressChannel
    ) -> tuple[_Trial, WorkerResult | BaseException] | None:
        """Tells the proposer how a trial ended; or gives it another try, if its worker has died, and gives None."""
        error = future.exception()
        if isinstance(error, LearningRateStudyError):
            raise error
        if isinstance(error, BrokenExecutor) and trial.tries < TRIES:
            trial.tries += 1
            self._submit(trial, mailbox)
            return None
        if error:
            self._end(_crashed(trial, error))
            return trial, error
        outcome = self._heard_out(trial, future.result())
        self._end(self._ended(trial, outcome))
        return trial, outcome

    def _heard_out(self, trial: _Trial, outcome: WorkerResult) -> WorkerResult:
        """The outcome as if no epoch had been on its way: one that is pruned too late is cut off all the same."""
        for epoch in outcome.history:
            if trial.last is None:
                self._hear(trial, epoch)
        return outcome if trial.last is None else pruned_result(outcome.history, trial.last)

    def _ended(self, trial: _Trial, outcome: WorkerResult) -> TrialResult:
        best = outcome.best
        self.seconds["train"] += sum(epoch.train_seconds for epoch in outcome.history)
        self.seconds["validation"] += sum(epoch.val_seconds for epoch in outcome.history)
        verdict = outcome.result.verdict.word if outcome.result else PRUNED
        points = [(epoch.epoch, epoch.val_loss) for epoch in outcome.history] if self._proposer.prunes else ()
        scores = best.val_loss, best.val_accuracy
        done = TrialResult(trial.number, trial.specification, trial.run.run_id, *scores, verdict, curve=points)
        if self.best is None or best_of([self.best[0], done]) is done:
            self.best = done, outcome
        return done

    def _end(self, done: TrialResult) -> None:
        self._done.append(done)
        self._proposer.tell(done)
        self._watcher.done(done)

    def _log_end(self, trial: _Trial, outcome: WorkerResult | BaseException) -> None:
        """Logs how a trial ended."""
        if isinstance(outcome, BaseException):
            log_crash(trial.run, _reason(outcome))
        else:
            if outcome.result:
                log_outcome(trial.run, trial.specification, outcome)
            else:
                log_pruned(self._study, trial.run, trial.specification, outcome)
        del self._open[trial.run.run_id]


def _crashed(trial: _Trial, error: BaseException) -> TrialResult:
    return TrialResult(trial.number, trial.specification, trial.run.run_id, reason=_reason(error))


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
