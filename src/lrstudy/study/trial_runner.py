"""Run the trials of a study: finished runs are reused, missing ones trained, and trials of dead workers retried."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor, Future

from lrstudy.errors import LearningRateStudyError
from lrstudy.formatting import pluralize
from lrstudy.study.epoch_reporter import EpochReporter, StudyObserver
from lrstudy.study.progress_channel import Progress
from lrstudy.study.proposer import Proposer
from lrstudy.study.running_trials import RunningTrial, RunningTrials
from lrstudy.study.study_run import StudyRun
from lrstudy.study.time_spent import TimeSpent
from lrstudy.study.trial_logging import log_trial_end
from lrstudy.study.trial_queue import SECONDS_BETWEEN_QUERIES, TrialQueue
from lrstudy.study.trial_result import TrialResult, best_of, failure
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.tracking.training_run import log_setup
from lrstudy.training.result import WorkerResult
from lrstudy.training.specification import PreflightResult

EndedTrial = tuple[RunningTrial, WorkerResult | BaseException]


class TrialRunner:
    """The loop that runs the trials of a study in the order of their proposal, `concurrency()` of them at a time.

    When it ends by an exception, the runs of running trials are marked as killed.
    """

    def __init__(
        self,
        proposer: Proposer,
        preflight: PreflightResult,
        study: StudyRun,
        executor: Executor,
        concurrency: Callable[[], int],
        observer: StudyObserver,
        first_number: int = 0,
    ) -> None:
        self._proposer = proposer
        self._study = study
        self._executor = executor
        self._concurrency = concurrency
        self._observer = observer
        self._time_spent = TimeSpent()
        self._queue = TrialQueue(proposer, preflight, study, self._time_spent, first_number)
        self._open_runs: dict[str, TrackedRun] = {}
        self._results: list[TrialResult] = []
        # Sentences on causes that could not be measured, and on what a GPU did without.
        self.remarks: dict[str, None] = {}
        # The best trial that was trained now, not reused.
        self.best: tuple[TrialResult, WorkerResult] | None = None

    @property
    def seconds(self) -> dict[str, float]:
        """Return the time spent by activity."""
        return self._time_spent.seconds

    def describe_progress(self) -> str:
        """Return a sentence for an interrupted study: how many trainings have ended, and how many will resume."""
        ended = {result.run_id for result in self._results}
        running = self._open_runs.keys() - ended
        resumed = f", {len(running)} will resume from the last checkpoint" if running else ""
        planned = pluralize(self._proposer.planned, "training")
        return f"{len(ended)} of {planned} finished and kept{resumed}; the same command trains the rest."

    def run(self, channel: Progress) -> list[TrialResult]:
        """Run all trials and return their results by number.

        Raises:
            LearningRateStudyError: the server is away, or the data have changed.
        """
        running = RunningTrials(self._executor, channel.address)
        reporter = EpochReporter(channel, self._proposer, self._observer)
        try:
            self._start_trials(running)
            while running or self._queue:
                ended = self._collect_ended(running, reporter)
                # The workers train the next trials while the last ones are logged.
                self._start_trials(running)
                self._log_ends(ended)
        except BaseException:
            for run in self._open_runs.values():
                run.end("KILLED", despite_rejections=True)
            raise
        return sorted(self._results, key=lambda result: result.number)

    def _start_trials(self, running: RunningTrials) -> None:
        """Submit as many trials as the executor takes at a time, and then log their beginning."""
        started = []
        while len(running) < self._concurrency() and (trial := self._next_trial(running)):
            self._open_runs[trial.run.run_id] = trial.run
            running.submit(trial)
            self._observer.on_trial_started(trial.number, trial.specification)
            started.append(trial)
        with self._time_spent.tracking():
            for trial in started:
                log_setup(trial.run, trial.specification)

    def _next_trial(self, running: RunningTrials) -> RunningTrial | None:
        """Return the next trial to run; the results of reused ones before it may let the proposer propose more."""
        while isinstance(trial := self._queue.next(ignore_remote_owners=not running), TrialResult):
            self._add_result(trial)
        return trial

    def _collect_ended(self, running: RunningTrials, reporter: EpochReporter) -> list[EndedTrial]:
        """Wait a moment; report epochs and results to the proposer, and return the trials that have ended."""
        done = running.wait(SECONDS_BETWEEN_QUERIES)
        reporter.report_messages(running)
        settled = [(running.pop(future), future) for future in done]
        return [ended for trial, future in settled if (ended := self._settle(trial, future, running, reporter))]

    def _settle(
        self, trial: RunningTrial, future: Future[WorkerResult], running: RunningTrials, reporter: EpochReporter
    ) -> EndedTrial | None:
        """Return how a trial ended; None if it is retried."""
        error = future.exception()
        if isinstance(error, LearningRateStudyError):
            raise error
        if running.retry(trial, error):
            self._observer.on_trial_retried(trial.number, trial.errors[-1])
            return None
        if error:
            self._add_result(failure(trial.number, trial.specification, trial.run.run_id, error))
            return trial, error
        worker_result = reporter.report_result(trial, future.result())
        self._add_trained(trial, worker_result)
        return trial, worker_result

    def _add_trained(self, trial: RunningTrial, trained: WorkerResult) -> None:
        self._time_spent.add_training(trained)
        causes_left_out = trained.result.causes_left_out if trained.result else ""
        self.remarks |= {remark: None for remark in (causes_left_out, trained.left_out) if remark}
        verdict = trained.stopped or (trained.result and trained.result.verdict)
        curve = [(epoch.epoch, epoch.val_loss) for epoch in trained.history] if self._proposer.needs_curves else ()
        scores = trained.best.val_loss, trained.best.val_accuracy
        losses = trained.val_losses
        result = TrialResult(
            trial.number,
            trial.specification,
            trial.run.run_id,
            *scores,
            verdict.word if verdict else "",
            stopped=trained.stopped is not None,
            curve=curve,
            test_accuracy=trained.result.test_accuracy if trained.result else math.nan,
            read_val_losses=lambda: losses,
        )
        if self.best is None or best_of([self.best[0], result]) is result:
            self.best = result, trained
        self._add_result(result)

    def _add_result(self, result: TrialResult) -> None:
        self._results.append(result)
        self._proposer.tell(result)
        self._observer.on_trial_ended(result)

    def _log_ends(self, ended: list[EndedTrial]) -> None:
        with self._time_spent.tracking():
            for trial, outcome in ended:
                log_trial_end(self._study, trial.run, trial.specification, outcome)
                del self._open_runs[trial.run.run_id]
            self._study.run.outbox.wait_for_space()
