"""A worker beside those of the trials: it surveys before they begin, and makes their models ready to be logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from lrstudy.errors import LearningRateStudyError
from lrstudy.settings import TrainSettings
from lrstudy.study import worker_tasks
from lrstudy.study.executors import local_processes
from lrstudy.training.specification import PreflightResult


class HelperWorker:
    """A worker that starts in the background, while the fork server still imports, and surveys at once.

    Args:
        trainings: some of the study's: of each optimizer and each shape of network at least one.
    """

    def __init__(self, trainings: Sequence[TrainSettings]) -> None:
        self._executor = local_processes(1)
        self._preflight = self._executor.submit(worker_tasks.survey, trainings)
        self._executor.submit(worker_tasks.get_ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(cancel_futures=True)

    def survey(self) -> PreflightResult:
        """What the worker found out, when it has.

        Raises:
            LearningRateStudyError: the study cannot begin, or the worker has died.
        """
        try:
            return self._preflight.result()
        except LearningRateStudyError:
            raise
        except Exception as error:  # too little memory, for one, shows in many ways
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise LearningRateStudyError(f"the study's trainings cannot be tried out: {reason[0]}.") from error

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Gives the worker something to do."""
        return self._executor.submit(function, *arguments)
