"""Calls that wait until the files of their run can be stored, while all other calls are sent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lrstudy.compat.mlflow_internals import request_timeout, set_request_timeout
from lrstudy.tracking.availability import extend_timeout, pause_seconds
from lrstudy.tracking.calls import Call
from lrstudy.tracking.files_error import FilesError
from lrstudy.tracking.pending_calls import PendingCalls


class HeldCalls:
    """The calls of a run that wait because files cannot be stored, with the `error`. They have a journal of their own.

    Args:
        server: the address of the server.
        error: the error of the first of the calls.
    """

    def __init__(self, server: str, error: FilesError) -> None:
        self.error = error
        self.calls = PendingCalls(server)
        self._since = time.monotonic()
        self._tries = 2  # a call is held after two tries
        self._next_try = self._since + pause_seconds(self._tries)
        self._timeout = request_timeout()

    def add(self, call: Call, server_ids: Mapping[str, str]) -> None:
        """Add a call and write it to disk, with the server's ids, by the local ones, of what earlier calls created."""
        self.calls.learn(server_ids)
        self.calls.append(call)
        self.calls.store()

    def release(self) -> None:
        """Leave the journal to other processes; set it aside if the server has rejected the files."""
        self.calls.store()
        if self.error.rejected:
            self.calls.set_journal_aside()
        else:
            self.calls.release_journal()

    @property
    def is_due(self) -> bool:
        """True if it is time to try again."""
        return not self.error.rejected and time.monotonic() >= self._next_try

    def has_failed_for(self, seconds: float) -> bool:
        """Return True if the server rejects the files, or tries have failed for that many seconds."""
        return self.error.rejected or time.monotonic() - self._since >= seconds

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Record a try to deliver in the block; after a timeout, the next try has twice the time, for large files."""
        usual, began = request_timeout(), time.monotonic()
        set_request_timeout(self._timeout)
        try:
            yield
        except Exception as error:
            if isinstance(error, FilesError):
                self.error = error
            self._tries += 1
            self._next_try = time.monotonic() + pause_seconds(self._tries)
            extend_timeout(time.monotonic() - began)
            self._timeout = request_timeout()
            raise
        finally:
            set_request_timeout(usual)
