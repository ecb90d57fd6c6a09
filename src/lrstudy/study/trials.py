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
from lrstudy.settings import TrainSettings
from lrstudy.study import tasks
from lrstudy.study.done import PRUNED, Done, best_of
from lrstudy.study.job import Job
from lrstudy.study.mailbox import Mailbox
from lrstudy.study.study_run import (
    StudyRun,
    claim,
    log_crash,
    log_outcome,
    log_pruned,
    take_in,
)
from lrstudy.study.workers import WORKER_DIED
from lrstudy.tracking.claims import curve
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.tracking.training_run import VERDICT, log_beginning
from lrstudy.training.description import Description, Survey
from lrstudy.training.epoch import Epoch
from lrstudy.training.result import Outcome, cut_off

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

    def tell(self, done: Done) -> None:
        """Takes how a trial ended."""


class Watcher(Protocol):
    """Is told how a study goes on."""

    def started(self, number: int, description: Description) -> None:
        """A trial has begun."""

    def epoch(self, number: int, epoch: Epoch) -> None:
        """A trial has got so far."""

    def done(self, done: Done) -> None:
        """A trial has ended, or had before."""


@dataclass
class _Trial:
    """A trial under way.

    `logged` is the last epoch that the server has or is being sent, `heard` the last that the proposer was told of, -1
    where none; `last` is the epoch that it is to end with, if the proposer says so.
    """

    number: int
    description: Description
    run: TrackedRun
    logged: int
    heard: int = -1
    last: int | None = None
    tries: int = 1


class Trials:
    """The trials of a study, `at_a_time` of them given to an executor, in the order in which they are proposed.

    What ended before is reused. A worker that dies costs its trial a try. When this ends by an exception, what was
    running is marked as killed.
    """

    def __init__(
        self, proposer: Proposer, survey: Survey, study: StudyRun, executor: Executor, at_a_time: int, watcher: Watcher
    ) -> None:
        self._proposer = proposer
        self._survey = survey
        self._study = study
        self._executor = executor
        self._at_a_time = at_a_time
        self._watcher = watcher
        self._proposed = 0
        self._deferred: deque[tuple[int, Description]] = deque()
        self._asked = 0.0
        self._running: dict[Future[Outcome], _Trial] = {}
        self._open: dict[str, TrackedRun] = {}
        self._done: list[Done] = []
        # The best that was trained now, with what it came to.
        self.best: tuple[Done, Outcome] | None = None
        # Where the time went, in seconds: that of all workers for the first two, of the driver for the last.
        self.seconds = {"train": 0.0, "validation": 0.0, "tracking": 0.0}

    def run(self, mailbox: Mailbox) -> list[Done]:
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
                    self._study.run.outbox.catch_up()
        except BaseException:
            for run in self._open.values():
                run.end("KILLED", whatever_failed=True)
            raise
        return sorted(self._done, key=lambda done: done.number)

    @contextmanager
    def _tracking(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds["tracking"] += time.perf_counter() - began

    def _fill(self, mailbox: Mailbox) -> None:
        """Gives the executor as much as it takes at a time, and then tells the server of it."""
        begun = []
        while len(self._running) < self._at_a_time and (trial := self._next()):
            self._submit(trial, mailbox)
            self._watcher.started(trial.number, trial.description)
            begun.append(trial)
        with self._tracking():
            for trial in begun:
                log_beginning(trial.run, trial.description)

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

    def _claim(self, number: int, description: Description, *, beside_others: bool) -> _Trial | None:
        with self._tracking():
            claimed = claim(self._study, description, prunes=self._proposer.prunes, beside_others=beside_others)
        if isinstance(claimed, Run):
            take_in(self._study, claimed)
            self._end(self._reused(number, description, claimed))
        elif claimed is None:
            self._deferred.append((number, description))
        else:
            self._open[claimed.run_id] = claimed
            return _Trial(number, description, claimed, claimed.there.last_epoch)
        return None

    def _reused(self, number: int, description: Description, run: Run) -> Done:
        run_id, metrics, verdict = run.info.run_id, run.data.metrics, run.data.tags[VERDICT]
        outbox, client = self._study.run.outbox, self._study.run.client
        points: list[tuple[int, float]] = []
        if self._proposer.prunes:  # which goes without while the server is away
            points = outbox.ask_or(lambda: curve(client, run_id), list)
        scores = metrics["best/val_loss"], metrics["best/val_accuracy"]
        return Done(number, description, run_id, *scores, verdict, reused=True, curve=points)

    def _submit(self, trial: _Trial, mailbox: Mailbox) -> None:
        job = Job(trial.number, trial.run.run_id, trial.description.key, trial.description.settings, mailbox.address)
        self._running[self._executor.submit(tasks.train, job)] = trial

    def _wait(self, mailbox: Mailbox) -> dict[Future[Outcome], _Trial]:
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
        self, trial: _Trial, future: Future[Outcome], mailbox: Mailbox
    ) -> tuple[_Trial, Outcome | BaseException] | None:
        """Tells the proposer how a trial ended; or gives it another try, if its worker has died, and gives None."""
        error = future.exception()
        if isinstance(error, LearningRateStudyError):
            raise error
        if isinstance(error, (BrokenExecutor, WORKER_DIED)) and trial.tries < TRIES:
            trial.tries += 1
            self._submit(trial, mailbox)
            return None
        if error:
            self._end(_crashed(trial, error))
            return trial, error
        outcome = self._heard_out(trial, future.result())
        self._end(self._ended(trial, outcome))
        return trial, outcome

    def _heard_out(self, trial: _Trial, outcome: Outcome) -> Outcome:
        """The outcome as if no epoch had been on its way: one that is pruned too late is cut off all the same."""
        for epoch in outcome.history:
            if trial.last is None:
                self._hear(trial, epoch)
        return outcome if trial.last is None else cut_off(outcome.history, trial.last)

    def _ended(self, trial: _Trial, outcome: Outcome) -> Done:
        best = outcome.best
        self.seconds["train"] += sum(epoch.train_seconds for epoch in outcome.history)
        self.seconds["validation"] += sum(epoch.val_seconds for epoch in outcome.history)
        verdict = outcome.result.verdict.word if outcome.result else PRUNED
        points = [(epoch.epoch, epoch.val_loss) for epoch in outcome.history] if self._proposer.prunes else ()
        scores = best.val_loss, best.val_accuracy
        done = Done(trial.number, trial.description, trial.run.run_id, *scores, verdict, curve=points)
        if self.best is None or best_of([self.best[0], done]) is done:
            self.best = done, outcome
        return done

    def _end(self, done: Done) -> None:
        self._done.append(done)
        self._proposer.tell(done)
        self._watcher.done(done)

    def _log_end(self, trial: _Trial, outcome: Outcome | BaseException) -> None:
        """Logs how a trial ended."""
        if isinstance(outcome, BaseException):
            log_crash(trial.run, _reason(outcome))
        else:
            if outcome.result:
                log_outcome(trial.run, trial.description, outcome)
            else:
                log_pruned(self._study, trial.run, trial.description, outcome)
        del self._open[trial.run.run_id]


def _crashed(trial: _Trial, error: BaseException) -> Done:
    return Done(trial.number, trial.description, trial.run.run_id, reason=_reason(error))


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
