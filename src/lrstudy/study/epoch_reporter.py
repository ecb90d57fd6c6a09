"""Report the epochs of running trials: to the observer, the tracking server and the proposer."""

from __future__ import annotations

from typing import Protocol

from lrstudy.study.progress_channel import Progress
from lrstudy.study.proposer import Proposer
from lrstudy.study.running_trials import RunningTrial, RunningTrials
from lrstudy.study.trial_result import TrialResult
from lrstudy.training.epoch import Epoch
from lrstudy.training.result import WorkerResult, stopped_result
from lrstudy.training.specification import TrialSpecification


class StudyObserver(Protocol):
    """Callbacks for the progress of a study."""

    def on_trial_started(self, number: int, specification: TrialSpecification) -> None:
        """Handle the start of a trial."""

    def on_epoch(self, number: int, epoch: Epoch) -> None:
        """Handle an epoch of a running trial."""

    def on_trial_retried(self, number: int, error: BaseException) -> None:
        """Handle the death of the worker of a running trial, which is retried."""

    def on_trial_ended(self, result: TrialResult) -> None:
        """Handle the result of a trial, trained now or reused."""


class EpochReporter:
    """A reporter of each epoch as it arrives from a worker, which stops the trials that the proposer stops."""

    def __init__(self, channel: Progress, proposer: Proposer, observer: StudyObserver) -> None:
        self._channel = channel
        self._proposer = proposer
        self._observer = observer

    def report_messages(self, running: RunningTrials) -> None:
        """Report the epochs that workers have sent since the last call."""
        for number, epoch in self._channel.messages():
            if (trial := running.find(number)) and trial.stopped is None:
                self._report(trial, epoch)
                if trial.stopped is not None:
                    self._channel.request_stop(number, epoch.epoch)

    def report_result(self, trial: RunningTrial, result: WorkerResult) -> WorkerResult:
        """Report the epochs of a result that no message has brought; truncate it where the trial stops."""
        for epoch in result.history:
            if trial.stopped is None:
                self._report(trial, epoch)
        if trial.stopped is None:
            return result
        return stopped_result(result.history[: trial.last_reported + 1], trial.stopped, result.machine)

    def _report(self, trial: RunningTrial, epoch: Epoch) -> None:
        self._observer.on_epoch(trial.number, epoch)
        # A trial that is retried sends epochs again, with the same bits, that the server already has.
        if epoch.epoch == trial.last_logged + 1:
            trial.run.log_epoch(epoch)
            trial.last_logged = epoch.epoch
        if epoch.epoch > trial.last_reported:
            trial.last_reported = epoch.epoch
            trial.stopped = self._proposer.verdict_to_stop(trial.number, epoch)
