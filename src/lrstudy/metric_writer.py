"""Sends metrics to the tracking server from a thread of its own, so that no epoch waits for the server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

# Often enough for curves that grow while one watches; seldom enough that many epochs share one call.
SECONDS_BETWEEN_CALLS = 1.0
# https://mlflow.org/docs/latest/api_reference/rest-api.html#log-batch
MOST_METRICS_A_CALL = 1000


class MetricWriter:
    """Collects metrics and sends them in batches; on leaving its context all are sent.

    MLflow's own asynchronous logging loses metrics where several processes write to one server, silently.

    Raises, as soon as more is added and on leaving the context:
        Exception: whatever MLflow raised when a call failed; later metrics were not sent.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._waiting: SimpleQueue[tuple[str, list[Metric]]] = SimpleQueue()
        self._closing = Event()
        self._sending = Lock()
        self._failure: Exception | None = None
        self._thread = Thread(target=self._work, name="metric-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        if self._failure and error is None:
            raise self._failure

    def add(self, run_id: str, metrics: Mapping[str, float], step: int) -> None:
        """Takes the values that a run's `metrics` have at `step`, and returns at once."""
        from mlflow.entities import Metric

        if self._failure:
            raise self._failure
        now = time.time_ns() // 1_000_000
        self._waiting.put((run_id, [Metric(name, value, now, step) for name, value in metrics.items()]))

    def flush(self) -> None:
        """Sends all that was added, and returns when the server has it.

        Raises:
            Exception: whatever MLflow raised, now or at a call before.
        """
        with self._sending:
            # What was taken before a call failed is lost: nothing more is said to have arrived.
            if self._failure:
                raise self._failure
            try:
                for run_id, metrics in self._taken():
                    self._client.log_batch(run_id, metrics=metrics)
            except Exception as error:
                self._failure = error
                raise

    def _work(self) -> None:
        closing = False
        while not closing and not self._failure:
            closing = self._closing.wait(SECONDS_BETWEEN_CALLS)
            with suppress(Exception):  # it is kept, and raised when more is added
                self.flush()

    def _taken(self) -> list[tuple[str, list[Metric]]]:
        """All that is waiting, a run's together. What was added together stays so, and is sent whole or not at all."""
        calls: list[tuple[str, list[Metric]]] = []
        open_calls: dict[str, list[Metric]] = {}
        with suppress(Empty):
            while True:
                run_id, metrics = self._waiting.get_nowait()
                call = open_calls.get(run_id)
                if call is None or len(call) + len(metrics) > MOST_METRICS_A_CALL:
                    call = open_calls[run_id] = []
                    calls.append((run_id, call))
                call += metrics
        return calls
