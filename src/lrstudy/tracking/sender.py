"""The thread that sends pending calls to a tracking server, and tries again while the server does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Condition, Thread

from mlflow import MlflowClient

from lrstudy.tracking.availability import ServerAvailability, failed_at_once, pause_seconds, report
from lrstudy.tracking.calls import Call, CreateRun, run_of, waits_for_files
from lrstudy.tracking.delivery import deliver
from lrstudy.tracking.files_error import FilesError
from lrstudy.tracking.held_calls import HeldCalls
from lrstudy.tracking.journal import journals_folder
from lrstudy.tracking.pending_calls import PendingCalls

# Often enough for curves that grow while a user watches; seldom enough that many epochs share one call.
SECONDS_BETWEEN_CALLS = 1.0


class Sender:
    """A thread that sends the `pending` calls in order, each once.

    `held` are the calls, by run, that wait because files of the run cannot be stored. `rejections` are the errors
    of calls that the server has rejected, which are not sent again. `possible_duplicates` are the runs whose creation
    was tried more than once: late answers can leave more than one of each. All of this is shared between threads: hold
    `changed` to use it.
    """

    def __init__(self, client: MlflowClient, server: str) -> None:
        self.changed = Condition()
        self.pending = PendingCalls(server)
        self.availability = ServerAvailability(server)
        self.held: dict[str, HeldCalls] = {}
        self.rejections: list[Exception] = []
        self.possible_duplicates: list[CreateRun] = []
        self._client = client
        self._server = server
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
            for held in self.held.values():
                held.release()
        if sent_all and not self.held:
            self._thread.join()

    def _run(self) -> None:
        failures = 0
        while (batch := self._next_batch(failures)) is not None:
            calls, count = batch
            if self._must_wait(calls):
                continue
            began, is_retry = time.monotonic(), failures > 0 or self.offline
            self.possible_duplicates += [call for call in calls if is_retry and isinstance(call, CreateRun)]
            try:
                ids = dict(self.pending.server_ids)
                new_ids = deliver(self._client, calls, ids, self.rejections, is_retry=is_retry)
            except FilesError as error:
                failures += 1
                if error.rejected or failures > 1 or not failed_at_once(began):
                    failures = 0
                    self._hold(calls[0], error)
            except Exception as error:  # the server is unavailable
                failures += 1
                if failures > 1 or not failed_at_once(began):
                    failures = max(failures, 2)
                    self.mark_unavailable(error)
            else:
                failures = 0
                self._mark_delivered(count, new_ids)
                self._retry_held()

    def _must_wait(self, calls: Sequence[Call]) -> bool:
        """Hold the next call and return True if it must wait for held files of its run."""
        with self.changed:
            held = self.held.get(self._run_of(calls[0])) if calls and waits_for_files(calls[0]) else None
            if held and not self._closed:
                held.add(calls[0], self.pending.server_ids)
                self.pending.drop_first()
        return held is not None

    def _hold(self, call: Call, error: FilesError) -> None:
        """Hold the next call; report the error if no other call is held."""
        with self.changed:
            if self._closed:
                return
            held = HeldCalls(self._server, error)
            is_first = not self.held
            self.held[self._run_of(call)] = held
            held.add(call, self.pending.server_ids)
            self.pending.drop_first()
            self.changed.notify_all()
        if is_first:
            report(f"{error}: training continues; such files are kept in {journals_folder()}")

    def _retry_held(self) -> None:
        """Try to send the held calls whose time has come."""
        for run, held in list(self.held.items()):
            while held.is_due and held.calls and not self._closed:
                calls, count = held.calls.next_batch()
                try:
                    with held.trying():
                        deliver(self._client, calls, held.calls.server_ids, [], is_retry=True)
                except Exception:  # the next call finds out whether the server is away
                    break
                with self.changed:
                    if not self._closed:
                        held.calls.mark_delivered(count, {})
            self._forget_if_sent(run, held)

    def _forget_if_sent(self, run: str, held: HeldCalls) -> None:
        with self.changed:
            if held.calls or self._closed:
                return
            held.calls.remove_journal()
            del self.held[run]
            self.changed.notify_all()
        if not self.held:
            report("all artifacts can be stored again, and are")

    def _run_of(self, call: Call) -> str:
        return self.pending.server_ids.get(run_of(call), run_of(call))

    def _next_batch(self, failures: int) -> tuple[Sequence[Call], int] | None:
        """Wait until it is time to send; return the calls and how many pending ones they stand for; None at the end."""
        with self.changed:
            if failures > 1:
                self.changed.wait_for(lambda: self._closed, pause_seconds(failures))
            while not self._closed:
                if self.pending and (self._urgent or failures):
                    return self.pending.next_batch()
                if self.offline or any(held.is_due for held in self.held.values()):
                    return [], 0  # asks only whether the server answers
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
