"""Standard output and standard error that never fail and show no credentials.

Text that cannot be written is lost: the disk is full, the reader of a pipe has ended, or the stream was closed.
"""

from __future__ import annotations

import io
import os
import select
import sys
from contextlib import suppress
from typing import TextIO

from lrstudy.redaction import redact_credentials

STREAMS = {1: "standard output", 2: "standard error"}
_files: dict[int, _FailsafeFile] = {}


def make_failsafe() -> None:
    """Replace this process's standard output and standard error; open all standard streams, also for its children."""
    for descriptor in (0, *STREAMS):
        _open_if_closed(descriptor)
    sys.stdout, sys.stderr = _replace(sys.stdout, 1), _replace(sys.stderr, 2)


def write_failures() -> dict[str, str]:
    """Return the reasons why streams could not be written, by the names of the streams."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return {STREAMS[number]: file.failure for number, file in _files.items() if file.failure}


class _FailsafeFile(io.RawIOBase):
    """A file whose writes succeed; `failure` is the reason why one of them did not."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.name = f"<{STREAMS[descriptor]}>"
        self.failure: str | None = None

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, content: bytes, /) -> int:  # type: ignore[override]
        while True:
            try:
                return os.write(self._descriptor, content)
            except BlockingIOError:  # another program has made the terminal or pipe non-blocking
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.failure = self.failure or error.strerror or str(error)
                return len(content)


class _RedactedText(io.TextIOWrapper):
    def write(self, text: str, /) -> int:
        super().write(redact_credentials(text))
        return len(text)


def _replace(stream: TextIO | None, descriptor: int) -> _RedactedText:
    if stream is not None:
        with suppress(OSError, ValueError):
            stream.flush()
    file = _files[descriptor] = _FailsafeFile(descriptor)
    return _RedactedText(
        io.BufferedWriter(file),  # type: ignore[type-var]
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors="backslashreplace",  # a class name that the terminal cannot show does not end the work either
        line_buffering=descriptor == 2 or file.isatty(),
    )


def _open_if_closed(descriptor: int) -> None:
    """Open a closed standard stream such that writing to it fails.

    Otherwise the next file or socket that is opened would get its number, and the printed text.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
