"""The queue of calls to the tracking server: a thread sends them in order, so that training never waits for the server.

While the server answers, calls wait in memory for a moment. While it does not, they are also written to a `Journal`,
and the thread keeps trying. The journal is removed when the server has all of them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient

from lrstudy.compat.mlflow_internals import disable_retries
from lrstudy.formatting import pluralize
from lrstudy.tracking.availability import failed_at_once
from lrstudy.tracking.calls import Call, CreateModel, CreateRun, DeleteDuplicateRuns, Log
from lrstudy.tracking.delivery import deliver
from lrstudy.tracking.failures import is_transient
from lrstudy.tracking.journal import journals_folder, sync_command
from lrstudy.tracking.sender import Sender

Answer = TypeVar("Answer")

# This many calls are a few seconds of sending.
MAX_PENDING = 500
# A query that fails on a server that answers other calls is abandoned after this many tries.
MAX_TRIES = 10


class Outbox:
    """The interface of the queue: `enqueue` returns at once, `query` waits for an answer.

    A call that the server rejects is not sent again; the next `enqueue` raises MLflow's error.
    """

    def __init__(self, client: MlflowClient, server: str) -> None:
        self._client = client
        self._sender = Sender(client, server)
        self._files = tempfile.TemporaryDirectory(prefix="lrstudy-", ignore_cleanup_errors=True)

    def start(self) -> None:
        """Start to send. From now on this process's MLflow client tries each call once, with a short timeout."""
        disable_retries()
        self._sender.start()

    @property
    def offline(self) -> bool:
        """True if the server did not answer, and has not got all calls since."""
        return self._sender.offline

    def new_folder(self) -> Path:
        """Make a folder for the files of a call, and return its path."""
        return Path(tempfile.mkdtemp(dir=self._files.name))

    def server_id(self, local_id: str) -> str:
        """Return the server's id of a run or a model if it has one, else the local id."""
        return self._sender.pending.server_ids.get(local_id, local_id)

    def enqueue(self, call: Call, *, despite_rejections: bool = False) -> int:
        """Add a call to the queue, and return its number.

        Raises:
            Exception: MLflow's, if the server has rejected an earlier call, unless `despite_rejections`.
        """
        with self._sender.changed:
            if not despite_rejections:
                self._raise_rejection()
            number = self._sender.pending.append(call)
            if self.offline:
                self._sender.pending.store()
            if not (isinstance(call, Log) and call.has_only_points):
                self._sender.send_soon()
            return number

    def create_run(self, call: CreateRun) -> str:
        """Create a run at once, before all that is queued; return its id, a local one while the server is unavailable.

        Raises:
            Exception: MLflow's, if the server rejects it.
        """
        tries, rejections = count(), list[Exception]()

        def create() -> str:
            is_retry = next(tries) > 0
            ids = deliver(self._client, [call], {}, rejections, is_retry=is_retry)
            if rejections:
                raise rejections[0]
            if is_retry:
                self._sender.possible_duplicates.append(replace(call, run=ids[call.run]))
            return ids[call.run]

        def create_later() -> str:
            self.enqueue(call)
            return call.run

        return self.query_or(create, create_later)

    def create_model(self, call: CreateModel) -> tuple[str, str]:
        """Create a model after all that is queued; return its id and location, local ids while the server is offline.

        Raises:
            Exception: MLflow's, if the server has rejected a call.
        """
        self.wait_until_sent(self.enqueue(call))
        with self._sender.changed:
            # A local id that no other call uses need not be replaced in later calls.
            ids = self._sender.pending.server_ids
            return ids.pop(call.model, call.model), ids.pop(call.location, call.location)

    def wait_until_sent(self, number: int) -> None:
        """Wait until the call of that number is sent, or the server is unavailable.

        Raises:
            Exception: MLflow's, if the server has rejected a call.
        """
        with self._sender.changed:
            self._sender.changed.wait_for(lambda: self._sender.pending.delivered >= number or self.offline)
            self._raise_rejection()

    def wait_for_space(self) -> None:
        """Wait until few calls are queued, or the server is unavailable: a fast caller is slowed down to its speed."""
        with self._sender.changed:
            self._sender.changed.wait_for(lambda: len(self._sender.pending) <= MAX_PENDING or self.offline)

    def query(self, request: Callable[[], Answer], max_silence: float) -> Answer:
        """Return the server's answer to a request, which is repeated when the server is available again.

        Raises:
            Exception: MLflow's: at once if the server rejects the request, else after `max_silence` seconds without an
                answer to any call.
        """
        tries = 0
        while True:
            tries += 1
            began = time.monotonic()
            try:
                return request()
            except Exception as error:
                if not is_transient(error):
                    raise
                if tries > 1 or not failed_at_once(began):
                    self._sender.mark_unavailable(error)
                    if tries == MAX_TRIES or not self._sender.wait_until(lambda: not self.offline, max_silence):
                        raise

    def query_or(self, request: Callable[[], Answer], fallback: Callable[[], Answer]) -> Answer:
        """Return the server's answer to a request, or `fallback()` while the server is unavailable.

        Raises:
            Exception: MLflow's, if the server rejects the request.
        """
        if not self.offline:
            try:
                return self.query(request, 0)
            except Exception as error:
                if not is_transient(error):
                    raise
        return fallback()

    def flush(self, max_silence: float) -> bool:
        """Wait until all calls are sent, and return True; return False once the server was silent that long.

        Raises:
            Exception: MLflow's, if the server has rejected a call.
        """
        sent_all = self._sender.wait_until(lambda: not self._sender.pending, max_silence)
        self._raise_rejection()
        return sent_all

    def close(self, max_silence: float) -> str | None:
        """Stop sending; return a sentence for the user if the server was silent for that many seconds, else None."""
        for call in self._sender.possible_duplicates:
            duplicates = DeleteDuplicateRuns(call.run, call.experiment, call.tags, call.start)
            self.enqueue(duplicates, despite_rejections=True)
        sent_all = self._sender.wait_until(lambda: not self._sender.pending, max_silence)
        self._sender.stop(sent_all=sent_all)
        self._files.cleanup()
        return None if sent_all else self._describe_unsent()

    def _raise_rejection(self) -> None:
        if self._sender.rejections:
            raise self._sender.rejections[0]

    def _describe_unsent(self) -> str:
        pending = self._sender.pending
        lost = ""
        if pending.unstored:
            calls = f"{pending.unstored} of {pluralize(len(pending), 'log call')}"
            lost = f", except {calls}, which cannot be written ({pending.storage_failure}) and are lost"
        queued = f"the last log calls are queued in {journals_folder()}{lost}"
        advice = f"when the server is back, `{sync_command()}` sends them."
        return f"{self._sender.availability.describe_unsent()}: {queued}; {advice}"
