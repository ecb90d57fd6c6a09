"""The calls that wait to be sent: in memory, and also in a journal on disk while the server is unavailable."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lrstudy.tracking.calls import Call, LogFiles, LogModel, next_batch
from lrstudy.tracking.delivery import remove_sent_files
from lrstudy.tracking.failures import failure_reason
from lrstudy.tracking.journal import Journal, journals_folder


class PendingCalls:
    """A queue of calls, in order. Only one thread at a time may use it.

    `added` and `delivered` count calls; `server_ids` are the server's ids by our local ones; `storage_failure` is the
    reason why calls cannot be written to disk; `folder` is the journal's, if there is one.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._calls: deque[Call] = deque()
        self._journal: Journal | None = None
        # The journal holds this many calls, the first of the queue.
        self._stored = 0
        self.added = self.delivered = 0
        self.server_ids: dict[str, str] = {}
        self.storage_failure: str | None = None
        self.folder: Path | None = None

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def unstored(self) -> int:
        """The number of calls that are not in the journal."""
        return len(self._calls) - self._stored

    @property
    def unstored_files(self) -> bool:
        """True if some artifacts are not in the journal."""
        return any(isinstance(call, LogFiles | LogModel) for call in list(self._calls)[self._stored :])

    def learn(self, server_ids: Mapping[str, str]) -> None:
        """Remember the server's ids of what other calls created."""
        new = {local: id_ for local, id_ in server_ids.items() if local not in self.server_ids}
        self.server_ids |= new
        if self._journal and new:
            self._journal.mark_delivered(0, new)

    def append(self, call: Call) -> int:
        """Add a call, and return its number."""
        self._calls.append(call)
        self.added += 1
        return self.added

    def next_batch(self) -> tuple[Sequence[Call], int]:
        """Return the calls to send next, and the number of pending calls that they stand for."""
        return next_batch(self._calls)

    def mark_delivered(self, count: int, server_ids: Mapping[str, str]) -> None:
        """Remove the first `count` calls, and remember the server's ids of what they created."""
        self.server_ids.update(server_ids)
        if self._journal:
            self._journal.mark_delivered(min(count, self._stored), server_ids)
        for _ in range(count):
            remove_sent_files(self._calls.popleft())
        self.delivered += count
        self._stored = max(0, self._stored - count)

    def drop_first(self) -> None:
        """Remove the first call, which now waits elsewhere with its files."""
        if self._journal:
            self._journal.mark_delivered(min(1, self._stored), {})
        self._calls.popleft()
        self.delivered += 1
        self._stored = max(0, self._stored - 1)

    def store(self) -> None:
        """Append the calls to the journal that it lacks; where that fails, report it once and keep them in memory."""
        try:
            self._journal = self._journal or Journal.create(self._server, self.server_ids)
            self.folder = self._journal.folder
            while self._stored < len(self._calls):
                self._calls[self._stored] = self._journal.append(self._calls[self._stored])
                self._stored += 1
            self.storage_failure = None
        except OSError as error:
            reason = failure_reason(error)
            if not self.storage_failure:
                message = f"cannot write to {journals_folder()} ({reason}): log calls are queued in memory"
                print(message, file=sys.stderr, flush=True)
            self.storage_failure = reason

    def flush_journal(self) -> None:
        """Wait until the journal is on the disk."""
        if self._journal:
            self._journal.flush()

    def release_journal(self) -> None:
        """Leave the journal to other processes."""
        if self._journal:
            self._journal.flush()
            self._journal.release()

    def set_journal_aside(self) -> None:
        """Leave the journal on disk, where nothing sends it."""
        if self._journal:
            self._journal.flush()
            with suppress(OSError):
                self.folder = self._journal.set_aside()

    def remove_journal(self) -> None:
        """Remove the journal, since the server has all calls."""
        if self._journal:
            self._journal.remove()
        self._journal = self.storage_failure = None
