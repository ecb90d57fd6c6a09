"""A worker process beside those of the trials: it runs the preflight and saves models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from lrstudy.errors import LearningRateStudyError
from lrstudy.settings import TrainSettings
from lrstudy.study import worker_tasks
from lrstudy.study.executors import local_processes
from lrstudy.training.specification import PreflightResult

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class HelperWorker:
    """A worker that starts in the background and runs the preflight, while this process still imports.

    Args:
        trainings: of the study: at least one for each optimizer and each shape of network.
    """

    def __init__(self, trainings: Sequence[TrainSettings]) -> None:
        self.executor = local_processes(1)
        self._preflight = self.executor.submit(worker_tasks.run_preflight, trainings, time_epochs=True)
        self._warming_up: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.executor.shutdown(cancel_futures=True)

    def preflight(self) -> PreflightResult:
        """Wait for the preflight and return its result.

        Raises:
            LearningRateStudyError: the study cannot begin, or the worker died.
        """
        try:
            return self._preflight.result()
        except LearningRateStudyError:
            raise
        except Exception as error:  # too little memory, for example, shows in many ways
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise LearningRateStudyError(f"the trainings of the study cannot be tried out: {reason[0]}.") from error

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
