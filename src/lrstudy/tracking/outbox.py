"""What a training or a study tells the tracking server: sent in order by a thread, so that nothing waits for it.

While the server answers, calls wait in memory for a moment. When one is not answered, all that are to be made are
written to a `Journal`, too, and the thread tries again and again. When the server has been told all, the journal goes.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Condition, Thread
from typing import TypeVar

from mlflow import MlflowClient

from lrstudy.redaction import redact_credentials
from lrstudy.tracking.calls import (
    Call,
    CreateModel,
    CreateRun,
    DeleteDuplicateRuns,
    Log,
    LogFiles,
    LogModel,
    next_batch,
)
from lrstudy.tracking.delivery import (
    MAX_TIMEOUT_SECONDS,
    TIMEOUT,
    TIMEOUT_SECONDS,
    deliver,
    disable_retries,
    remove_sent_files,
)
from lrstudy.tracking.failures import failure_reason, is_transient
from lrstudy.tracking.journal import Journal, journals_folder, sync_command

Answer = TypeVar("Answer")

# Often enough for curves that grow while one watches; seldom enough that many epochs share one call.
SECONDS_BETWEEN_CALLS = 1.0
# A call that fails at once is made a second time before the server counts as gone: a lost connection is no more.
SECONDS_TO_FAIL_AT_ONCE = 1.0
# So many calls are a few seconds behind.
MAX_WAITING = 500
# A question that gets no answer from a server that answers others is given up.
MAX_TRIES = 10
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.25, 5.0


class Outbox:
    """Takes calls to make on the server, and makes them in a thread of its own, in order, each once.

    A call that the server refuses is not made again; the next that is put raises what MLflow raised.
    """

    def __init__(self, client: MlflowClient, server: str) -> None:
        self._client = client
        self._server = server
        self._changed = Condition()
        # What is to be made, of which the journal has so many.
        self._waiting: deque[Call] = deque()
        self._kept = 0
        self._put = self._made = 0
        self._urgent = self._closed = False
        self._names: dict[str, str] = {}
        self._refused: list[Exception] = []
        # What was tried more than once to make: late answers can have left more than one of it.
        self._doubtful: list[CreateRun] = []
        # Why the server is away, and when it last did not answer; and why what waits is not on the disk.
        self._away: str | None = None
        self._silent_since: float | None = None
        self._not_kept: str | None = None
        self._journal: Journal | None = None
        self._files = tempfile.TemporaryDirectory(prefix="lrstudy-", ignore_cleanup_errors=True)
        self._timeout = str(TIMEOUT_SECONDS)
        self._thread = Thread(target=self._work, name="outbox", daemon=True)

    def start(self) -> None:
        """Begins to send. From now on this process's MLflow makes each call once, and does not wait for long."""
        disable_retries()
        self._timeout = os.environ[TIMEOUT]
        self._thread.start()

    @property
    def offline(self) -> bool:
        """Whether the server did not answer, and has not been told all since."""
        with self._changed:
            return self._away is not None

    def new_folder(self) -> Path:
        """A new folder for the files of a call."""
        return Path(tempfile.mkdtemp(dir=self._files.name))

    def server_id(self, local: str) -> str:
        """The server's name for a run or a model, if it has given one; else the local one."""
        return self._names.get(local, local)

    def enqueue(self, call: Call, *, despite_refusals: bool = False) -> int:
        """Takes a call to make, and returns at once; gives its number.

        Raises:
            Exception: whatever MLflow raised when a call before was refused, unless `despite_refusals`.
        """
        with self._changed:
            if self._refused and not despite_refusals:
                raise self._refused[0]
            self._waiting.append(call)
            self._put += 1
            if self.offline:
                self._keep()
            if not (isinstance(call, Log) and call.has_only_points):
                self._urgent = True
                self._changed.notify_all()
            return self._put

    def create_run(self, call: CreateRun) -> str:
        """Makes a run now, before all that waits; gives its name, which while the server is away is the local one.

        Raises:
            Exception: whatever MLflow raised when it was refused.
        """
        tries, refused = count(), list[Exception]()

        def at_once() -> str:
            again = next(tries) > 0
            names = deliver(self._client, [call], {}, refused, again=again)
            if refused:
                raise refused[0]
            if again:
                self._doubtful.append(replace(call, run=names[call.run]))
            return names[call.run]

        def later() -> str:
            self.enqueue(call)
            return call.run

        return self.query_or(at_once, later)

    def create_model(self, call: CreateModel, *local: str) -> list[str]:
        """Takes a call to make, and returns when it has been made, or the server is away.

        Gives the server's names for the `local` ones, where it has been made; else these.

        Raises:
            Exception: whatever MLflow raised when a call was refused.
        """
        self.wait_until_sent(self.enqueue(call))
        with self._changed:
            # A local name that nobody has learnt of need not be looked for in what is sent later.
            return [self._names.pop(name, name) for name in local]

    def wait_until_sent(self, number: int) -> None:
        """Waits until the call of that number has been made, or the server is away.

        Raises:
            Exception: whatever MLflow raised when a call was refused.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._made >= number or self.offline)
            if self._refused:
                raise self._refused[0]

    def wait_for_space(self) -> None:
        """Waits until not too many calls wait, or the server is away: what says so much is to be no faster than it."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) <= MAX_WAITING or self.offline)

    def query(self, question: Callable[[], Answer], seconds: float) -> Answer:
        """What the server answers to a question, which is asked again when the server is back.

        Raises:
            Exception: whatever MLflow raised; for want of a server when it has not answered for so many seconds.
        """
        tries = 0
        while True:
            tries += 1
            began = time.monotonic()
            try:
                return question()
            except Exception as error:
                if not is_transient(error):
                    raise
                if tries > 1 or time.monotonic() - began > SECONDS_TO_FAIL_AT_ONCE:
                    self._has_gone(error)
                    if tries == MAX_TRIES or not self._wait(seconds, lambda: self._away is None):
                        raise

    def query_or(self, question: Callable[[], Answer], otherwise: Callable[[], Answer]) -> Answer:
        """What the server answers to a question; while it is away, what is known otherwise.

        Raises:
            Exception: whatever MLflow raised, but for want of a server.
        """
        if not self.offline:
            try:
                return self.query(question, 0)
            except Exception as error:
                if not is_transient(error):
                    raise
        return otherwise()

    def flush(self, seconds: float) -> bool:
        """Waits until all calls are made, and gives True; or until the server has not answered for so many seconds.

        Raises:
            Exception: whatever MLflow raised when a call was refused.
        """
        settled = self._wait(seconds, lambda: not self._waiting)
        if self._refused:
            raise self._refused[0]
        return settled

    def close(self, seconds: float) -> str | None:
        """Ends the sending; where the server has not answered for so many seconds, gives what is to be said of that."""
        for call in self._doubtful:
            self.enqueue(DeleteDuplicateRuns(call.run, call.experiment, call.tags, call.start), despite_refusals=True)
        made_all = self._wait(seconds, lambda: not self._waiting)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if not made_all:
                self._keep()
            if self._journal:
                self._journal.flush()
                self._journal.release()
        if made_all:
            self._thread.join()
        self._files.cleanup()
        return None if made_all else self._not_sent()

    def _wait(self, seconds: float, reached: Callable[[], bool]) -> bool:
        """Waits until it is reached, or until the server has not answered for so many seconds; gives whether it is."""
        began = time.monotonic()
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            while not reached():
                if self._silent_since and time.monotonic() - max(began, self._silent_since) >= seconds:
                    return False
                self._changed.wait(0.1)
        return True

    def _work(self) -> None:
        failures = 0
        while (batch := self._next(failures)) is not None:
            began, again = time.monotonic(), failures > 0 or self.offline
            self._doubtful += [call for call in batch[0] if again and isinstance(call, CreateRun)]
            try:
                names = deliver(self._client, batch[0], dict(self._names), self._refused, again=again)
            except Exception as error:  # the server cannot be used now
                failures += 1
                if failures > 1 or time.monotonic() - began > SECONDS_TO_FAIL_AT_ONCE:
                    failures = max(failures, 2)
                    self._has_gone(error)
                    _give_more_time(batch[0], time.monotonic() - began)
            else:
                failures = 0
                self._has_made(batch[1], names)

    def _next(self, failures: int) -> tuple[Sequence[Call], int] | None:
        """What to make next, and how many calls that is, when it is time; None at the end."""
        with self._changed:
            if failures > 1:
                longest = min(FIRST_PAUSE_SECONDS * 2 ** (failures - 2), MAX_PAUSE_SECONDS)
                # Of unequal lengths: many machines that overtax a server would else come back to it all at once.
                self._changed.wait_for(lambda: self._closed, random.uniform(longest / 2, longest))  # noqa: S311
            while not self._closed:
                if self._waiting and (self._urgent or failures):
                    return next_batch(self._waiting)
                if self.offline:
                    return [], 0
                self._changed.wait_for(lambda: self._urgent or self._closed, SECONDS_BETWEEN_CALLS)
                self._urgent = bool(self._waiting)
        return None

    def _has_made(self, number: int, names: dict[str, str]) -> None:
        with self._changed:
            if self._closed:
                return
            self._silent_since = None
            os.environ[TIMEOUT] = self._timeout
            self._names |= names
            if self._journal:
                self._journal.mark_delivered(min(number, self._kept), names)
            for _ in range(number):
                remove_sent_files(self._waiting.popleft())
            self._made += number
            self._kept = max(0, self._kept - number)
            self._urgent = bool(self._waiting)
            if self.offline and not self._waiting:
                self._is_back()
            self._changed.notify_all()

    def _has_gone(self, error: Exception) -> None:
        with self._changed:
            if self._closed:
                return
            self._silent_since = self._silent_since or time.monotonic()
            if not self.offline:
                self._away = failure_reason(error)
                _say(
                    f"the tracking server {redact_credentials(self._server)} cannot be used now ({self._away}): "
                    f"the training goes on; what it has to say waits in {journals_folder()}"
                )
            self._keep()
            if self._journal:
                self._journal.flush()
            self._changed.notify_all()

    def _is_back(self) -> None:
        if self._journal:
            self._journal.remove()
        self._journal = self._away = self._not_kept = None
        _say(f"the tracking server {redact_credentials(self._server)} can be used again, and has been told all")

    def _keep(self) -> None:
        """Writes down what waits, as far as it is not."""
        try:
            self._journal = self._journal or Journal.create(self._server, self._names)
            while self._kept < len(self._waiting):
                self._waiting[self._kept] = self._journal.append(self._waiting[self._kept])
                self._kept += 1
            self._not_kept = None
        except OSError as error:
            if not self._not_kept:
                _say(f"nothing can be written in {journals_folder()} ({failure_reason(error)}): it waits in memory")
            self._not_kept = failure_reason(error)

    def _not_sent(self) -> str:
        lacks = len(self._waiting) - self._kept
        lost = f"; {lacks} of its {len(self._waiting)} messages are lost, since they cannot be written" if lacks else ""
        reason = f" ({self._not_kept})" if lacks else ""
        return (
            f"the tracking server {redact_credentials(self._server)} cannot be used ({self._away}): what was logged "
            f"last waits in {journals_folder()}{lost}{reason}; when the server is back, `{sync_command()}` sends it."
        )


def _give_more_time(calls: Sequence[Call], took: float) -> None:
    """Lets the next try at large files wait longer for an answer; all else is answered soon, or not at all."""
    timeout = int(os.environ[TIMEOUT])
    if took >= timeout and any(isinstance(call, LogFiles | LogModel) for call in calls):
        os.environ[TIMEOUT] = str(min(2 * timeout, MAX_TIMEOUT_SECONDS))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
