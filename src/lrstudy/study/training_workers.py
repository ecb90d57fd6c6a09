"""The two worker processes of a single training: one trains, the other prepares to save the model."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from types import TracebackType
from typing import Self

from lrstudy.settings import TrainSettings
from lrstudy.study import worker_tasks
from lrstudy.study.executors import local_processes
from lrstudy.study.helper_worker import HelperWorker
from lrstudy.study.progress_channel import ProgressChannel
from lrstudy.study.retried_task import MAX_TRIES, RetriedTask
from lrstudy.study.trial_job import TrialJob
from lrstudy.training.epoch import Epoch
from lrstudy.training.result import Beginning, WorkerResult

SECONDS_BETWEEN_LOOKS = 0.1


class TrainingWorkers:
    """Two workers that start in the background: `trainer` runs the preflight and trains, `exporter` saves the model.

    Args:
        settings: of the training.
    """

    def __init__(self, settings: TrainSettings) -> None:
        self._helper = HelperWorker([settings], time_epochs=False)
        self.preflight = self._helper.preflight
        self.trainer = self._helper.executor
        self.exporter: Executor = local_processes(1)
        self.exporter.submit(worker_tasks.warm_up_exporter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._helper.__exit__(kind, error, trace)
        self.exporter.shutdown(cancel_futures=True)

    def checkpointed_epoch(self, job: TrialJob) -> int:
        """Return the epoch after which `train` would resume; -1 if it would start over."""
        return RetriedTask(self.trainer, worker_tasks.checkpointed_epoch, job).result()

    def begin_from(self, job: TrialJob, beginning: Beginning) -> None:
        """Let a run continue the training of another run.

        Raises:
            SettingsError: what the other run has kept cannot be used.
        """
        RetriedTask(self.trainer, worker_tasks.begin_from, job, beginning).result()

    def train(self, job: TrialJob, channel: ProgressChannel) -> WorkerTraining:
        """Begin to train."""
        return WorkerTraining(self.trainer, job, channel)


class WorkerTraining:
    """A training that runs in a worker: iterate over its epochs from 0 on, then take `result`.

    If the worker dies, the training is retried from its last checkpoint; no epoch is repeated or left out.
    """

    def __init__(self, trainer: Executor, job: TrialJob, channel: ProgressChannel) -> None:
        self._trainer = trainer
        self._job = job
        self._channel = channel
        self._last_epoch = -1
        self._tries = 1
        self._future = self._submit()

    @property
    def result(self) -> WorkerResult:
        """The result of the training, which has ended."""
        return self._future.result()

    def __iter__(self) -> Iterator[Epoch]:
        while True:
            yield from self._new(epoch for _, epoch in self._channel.messages())
            if self._future.done() and not self._retry():
                yield from self._new(self.result.history)
                return
            wait([self._future], SECONDS_BETWEEN_LOOKS)

    def _new(self, epochs: Iterator[Epoch] | tuple[Epoch, ...]) -> Iterator[Epoch]:
        for epoch in epochs:
            # A retried training repeats its epochs, with the same bits.
            if epoch.epoch == self._last_epoch + 1:
                self._last_epoch = epoch.epoch
                yield epoch

    def _retry(self) -> bool:
        """Train again if the worker died and may have another try."""
        if not isinstance(self._future.exception(), BrokenExecutor) or self._tries == MAX_TRIES:
            return False
        self._tries += 1
        self._future = self._submit()
        return True

    def _submit(self) -> Future[WorkerResult]:
        return self._trainer.submit(worker_tasks.train, self._job)
