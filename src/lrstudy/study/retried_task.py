"""A task that is submitted again when its worker dies."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor
from functools import partial
from typing import Generic, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

MAX_TRIES = 3


class RetriedTask(Generic[Answer]):
    """A task of `executor` that has begun; like `concurrent.futures.Future`, but for retries.

    Args:
        executor: runs the task.
        function: called with the remaining arguments; the same call may be repeated.
    """

    def __init__(
        self,
        executor: Executor,
        function: Callable[Arguments, Answer],
        /,
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> None:
        self._submit = partial(executor.submit, function, *args, **kwargs)
        self._future = self._submit()

    def result(self) -> Answer:
        """Wait for the task and return its result.

        Raises:
            BrokenExecutor: its worker died every time.
        """
        for _ in range(MAX_TRIES - 1):
            try:
                return self._future.result()
            except BrokenExecutor:
                self._future = self._submit()
        return self._future.result()
