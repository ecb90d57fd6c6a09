"""A worker beside those of the trials: it surveys before they begin, and makes their models ready to be logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from lrstudy.errors import LearningRateStudyError
from lrstudy.settings import TrainSettings
from lrstudy.study import worker_tasks
from lrstudy.study.workers import Workers
from lrstudy.training.specification import PreflightResult


class HelperWorker:
    """Starts the worker and its survey in the background: what workers are forked from is still importing.

    Args:
        trainings: some of the study's: of each optimizer and each shape of network at least one.
    """

    def __init__(self, trainings: Sequence[TrainSettings]) -> None:
        self._workers = Workers(1)
        self._starter = ThreadPoolExecutor(1)
        self._started = self._starter.submit(self._start, trainings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._starter.shutdown()
        self._workers.shutdown(cancel_futures=True)

    def survey(self) -> PreflightResult:
        """What the worker found out, when it has.

        Raises:
            LearningRateStudyError: the study cannot begin, or the worker has died.
        """
        try:
            return self._started.result().result()
        except LearningRateStudyError:
            raise
        except Exception as error:  # too little memory, for one, shows in many ways
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise LearningRateStudyError(f"the study's trainings cannot be tried out: {reason[0]}.") from error

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Gives the worker something to do."""
        return self._workers.submit(function, *arguments)

    def _start(self, trainings: Sequence[TrainSettings]) -> Future[PreflightResult]:
        surveying = self._workers.submit(worker_tasks.survey, trainings)
        self._workers.submit(worker_tasks.get_ready)
        return surveying
