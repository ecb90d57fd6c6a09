"""The thread that sends pending calls to a tracking server, and tries again while the server does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Condition, Thread

from mlflow import MlflowClient

from lrstudy.tracking.availability import ServerAvailability, extend_timeout, failed_at_once, pause_seconds
from lrstudy.tracking.calls import Call, CreateRun, LogFiles, LogModel
from lrstudy.tracking.delivery import deliver
from lrstudy.tracking.pending_calls import PendingCalls

# Often enough for curves that grow while a user watches; seldom enough that many epochs share one call.
SECONDS_BETWEEN_CALLS = 1.0


class Sender:
    """A thread that sends the `pending` calls in order, each once.

    `rejections` are the errors of calls that the server has rejected, which are not sent again. `possible_duplicates`
    are the runs whose creation was tried more than once: late answers can leave more than one of each. All of this is
    shared between threads: hold `changed` to use it.
    """

    def __init__(self, client: MlflowClient, server: str) -> None:
        self.changed = Condition()
        self.pending = PendingCalls(server)
        self.availability = ServerAvailability(server)
        self.rejections: list[Exception] = []
        self.possible_duplicates: list[CreateRun] = []
        self._client = client
        self._urgent = self._closed = False
        self._thread = Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Start to send."""
        self._thread.start()

    @property
    def offline(self) -> bool:
        """True if the server did not answer, and has not got all calls since."""
        with self.changed:
            return self.availability.failure is not None

    def send_soon(self) -> None:
        """Send the pending calls without waiting for more of them to share a request."""
        with self.changed:
            self._urgent = True
            self.changed.notify_all()

    def wait_until(self, reached: Callable[[], bool], max_silence: float) -> bool:
        """Wait until `reached()`, and return True; return False once the server was silent for that many seconds."""
        began = time.monotonic()
        with self.changed:
            self.send_soon()
            while not reached():
                if self.availability.silent_for(max_silence, began):
                    return False
                self.changed.wait(0.1)
        return True

    def mark_unavailable(self, error: Exception) -> None:
        """Record that a call failed because the server is unavailable, and write the pending calls to disk."""
        with self.changed:
            if self._closed:
                return
            self.availability.mark_unavailable(error)
            self.pending.store()
            self.pending.flush_journal()
            self.changed.notify_all()

    def stop(self, *, sent_all: bool) -> None:
        """Stop sending. Unless all calls are sent, the rest is written to disk, and a call in progress is abandoned."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
            if not sent_all:
                self.pending.store()
            self.pending.release_journal()
        if sent_all:
            self._thread.join()

    def _run(self) -> None:
        failures = 0
        while (batch := self._next_batch(failures)) is not None:
            calls, count = batch
            began, is_retry = time.monotonic(), failures > 0 or self.offline
            self.possible_duplicates += [call for call in calls if is_retry and isinstance(call, CreateRun)]
            try:
                ids = dict(self.pending.server_ids)
                new_ids = deliver(self._client, calls, ids, self.rejections, is_retry=is_retry)
            except Exception as error:  # the server is unavailable
                failures += 1
                if failures > 1 or not failed_at_once(began):
                    failures = max(failures, 2)
                    self.mark_unavailable(error)
                    if any(isinstance(call, LogFiles | LogModel) for call in calls):
                        extend_timeout(time.monotonic() - began)
            else:
                failures = 0
                self._mark_delivered(count, new_ids)

    def _next_batch(self, failures: int) -> tuple[Sequence[Call], int] | None:
        """Wait until it is time to send; return the calls and how many pending ones they stand for; None at the end."""
        with self.changed:
            if failures > 1:
                self.changed.wait_for(lambda: self._closed, pause_seconds(failures))
            while not self._closed:
                if self.pending and (self._urgent or failures):
                    return self.pending.next_batch()
                if self.offline:
                    return [], 0  # asks only whether the server answers again
                self.changed.wait_for(lambda: self._urgent or self._closed, SECONDS_BETWEEN_CALLS)
                self._urgent = bool(self.pending)
        return None

    def _mark_delivered(self, count: int, server_ids: dict[str, str]) -> None:
        with self.changed:
            if self._closed:
                return
            self.availability.mark_answered()
            self.pending.mark_delivered(count, server_ids)
            self._urgent = bool(self.pending)
            if self.offline and not self.pending:
                self.pending.remove_journal()
                self.availability.mark_available()
            self.changed.notify_all()
