"""A worker process that starts in the background, runs the preflight, and then helps to train or to save models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, Protocol, Self, TypeVar

from lrstudy.errors import LearningRateStudyError
from lrstudy.formatting import pluralize
from lrstudy.redaction import first_line
from lrstudy.settings import TrainSettings
from lrstudy.study import worker_tasks
from lrstudy.study.executors import local_processes
from lrstudy.study.retried_task import MAX_TRIES, RetriedTask
from lrstudy.training.specification import PreflightResult

if TYPE_CHECKING:
    from lrstudy.cluster.executor import ClusterExecutor

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Preflight(Protocol):
    """A preflight that has begun."""

    def result(self) -> PreflightResult:
        """Wait for it and return its result."""


class HelperWorker:
    """A worker that runs the preflight of `trainings` while this process still imports.

    With a cluster, the cluster runs the preflight, and this worker reads the data that the cluster's must equal.

    Args:
        trainings: at least one for each optimizer and each shape of network.
        time_epochs: whether the preflight measures how long an epoch takes.
        cluster: runs the trainings; without one, this machine does.
        checkpoints: the folder of checkpoints that the machines of the cluster share.
    """

    def __init__(
        self,
        trainings: Sequence[TrainSettings],
        *,
        time_epochs: bool,
        cluster: ClusterExecutor | None = None,
        checkpoints: Path | None = None,
    ) -> None:
        self.executor: Executor = local_processes(1)
        self.cluster = cluster
        self._checkpoints = checkpoints
        self._preflight = self._run_preflight(trainings, time_epochs)
        self._warming_up: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.executor.shutdown(cancel_futures=True)

    def restart_preflight(self, trainings: Sequence[TrainSettings]) -> None:
        """Run another preflight, of trainings that the first one has led to; it measures how long an epoch takes."""
        self._preflight = self._run_preflight(trainings, time_epochs=True)

    def preflight(self) -> PreflightResult:
        """Wait for the preflight and return its result.

        Raises:
            DataError: the images are missing, broken, or too few.
            SettingsError: a network does not take these images, or this machine has no such device.
            ClusterError: no scheduler answers, or no worker of the cluster can be used.
            LearningRateStudyError: the worker died at every try.
        """
        try:
            return self._preflight.result()
        except BrokenExecutor as error:
            tries = pluralize(MAX_TRIES, "try", "tries")
            raise LearningRateStudyError(
                f"the training cannot be tried out: {first_line(error)} ({tries}); is there too little memory?"
            ) from error

    def _run_preflight(self, trainings: Sequence[TrainSettings], time_epochs: bool) -> Preflight:
        if self.cluster is None:
            return RetriedTask(self.executor, worker_tasks.run_preflight, trainings, time_epochs=time_epochs)
        return self.cluster.preflight(self.executor, trainings, self._checkpoints, time_epochs=time_epochs)

    def warm_up_exporter(self) -> None:
        """Let the worker import the exporter of models in the background, the first time this is called."""
        if self._warming_up is None:
            self._warming_up = self.executor.submit(worker_tasks.warm_up_exporter)


class WarmUpExecutor(Executor):
    """The executor of a study's trials, which lets the helper warm up when the first trial is submitted.

    A study without a trial to train has no model to save.
    """

    def __init__(self, executor: Executor, helper: HelperWorker) -> None:
        self._executor = executor
        self._helper = helper

    def submit(
        self, function: Callable[Arguments, Answer], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Answer]:
        self._helper.warm_up_exporter()
        return self._executor.submit(function, *args, **kwargs)
