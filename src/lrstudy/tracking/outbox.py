"""The queue of calls to the tracking server: a thread sends them in order, so that training never waits for the server.

While the server answers, calls wait in memory for a moment. While it does not, they are also written to a `Journal`,
and the thread keeps trying. The journal is removed when the server has all of them.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient

from lrstudy.compat.mlflow_internals import disable_retries
from lrstudy.server_names import DESCRIPTION
from lrstudy.tracking import epoch_times
from lrstudy.tracking.availability import failed_at_once
from lrstudy.tracking.calls import Call, CreateModel, CreateRun, DeleteDuplicateRuns, Log, SetStatus
from lrstudy.tracking.delivery import deliver
from lrstudy.tracking.failures import is_transient
from lrstudy.tracking.sender import Sender
from lrstudy.tracking.server import truncate_tag
from lrstudy.tracking.unsent_messages import describe_held, describe_unsent

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
        self._files = tempfile.mkdtemp(prefix="lrstudy-")

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
        return Path(tempfile.mkdtemp(dir=self._files))

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

        Files that cannot be stored are also tried for that long.

        Raises:
            Exception: MLflow's, if the server has rejected a call.
        """
        sent_all = self._sender.wait_until(lambda: self._is_settled(max_silence), max_silence)
        self._raise_rejection()
        return sent_all

    def final_status(self, run_id: str, status: str) -> str:
        """Return the status of a run whose end was queued as `status`: RUNNING while its end or its files wait."""
        held = self._sender.held.get(self.server_id(run_id))
        if held and status == "FINISHED":
            return "FAILED" if held.error.rejected else "RUNNING"
        return "RUNNING" if self._sender.pending else status

    def close(self, max_silence: float) -> str | None:
        """Stop sending; return a sentence on calls that were not sent within that many seconds, None if all were."""
        for call in self._sender.possible_duplicates:
            duplicates = DeleteDuplicateRuns(call.run, call.experiment, call.tags, call.start)
            self.enqueue(duplicates, despite_rejections=True)
        self._fail_rejected_runs()
        sent_all = self._sender.wait_until(lambda: self._is_settled(max_silence), max_silence)
        self._sender.stop(sent_all=sent_all)
        sentences = [] if sent_all else [describe_unsent(self._sender)]
        sentences += describe_held(self._sender.held)
        queues = [self._sender.pending, *(held.calls for held in self._sender.held.values())]
        if any(queue.unstored_files for queue in queues):
            sentences.append(f"The artifacts that could not be written there are in {self._files}.")
        else:
            shutil.rmtree(self._files, ignore_errors=True)
        return " ".join(sentences) or None

    def _is_settled(self, max_silence: float) -> bool:
        held = self._sender.held.values()
        return not self._sender.pending and all(calls.has_failed_for(max_silence) for calls in held)

    def _fail_rejected_runs(self) -> None:
        """End the runs whose files the server rejects as failed, so that a restarted study trains them again."""
        for run_id, held in list(self._sender.held.items()):
            if held.error.rejected:
                self.enqueue(Log(run_id, {}, {DESCRIPTION: truncate_tag(str(held.error))}), despite_rejections=True)
                self.enqueue(SetStatus(run_id, "FAILED", epoch_times.now_ms()), despite_rejections=True)

    def _raise_rejection(self) -> None:
        if self._sender.rejections:
            raise self._sender.rejections[0]
