"""Letters from a study's workers while they train, and the word to stop one.

A letter is a datagram, which is delivered whole or not at all, so that a worker that is killed while it writes takes
nothing with it. Letters are for whoever watches: all that a training came to is in its outcome, too.
"""

from __future__ import annotations

import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from lrstudy.training.epoch import Epoch

SECONDS_BETWEEN_MESSAGES = 0.25
# What every system takes as one datagram between processes.
MAX_MESSAGE_BYTES = 2048
_NUMBER = struct.Struct("!q")
_EPOCH = struct.Struct(f"!q{len(fields(Epoch)) - 1}d")
EPOCHS_PER_MESSAGE = (MAX_MESSAGE_BYTES - _NUMBER.size) // _EPOCH.size


class ProgressChannel:
    """The driver's side: reads letters, and leaves word for trials to stop."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lrstudy-")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.address / "letters"))
        self._socket.setblocking(False)

    @property
    def address(self) -> Path:
        """Where workers on this machine send to."""
        return Path(self._folder.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._folder.cleanup()

    def letters(self) -> Iterator[tuple[int, Epoch]]:
        """What has come since: a trial's number, and an epoch of it."""
        with suppress(BlockingIOError):
            while True:
                letter = self._socket.recv(MAX_MESSAGE_BYTES)
                (number,) = _NUMBER.unpack_from(letter)
                for epoch, *numbers in _EPOCH.iter_unpack(letter[_NUMBER.size :]):
                    yield number, Epoch(epoch, *numbers)

    def stop(self, number: int, epoch: int) -> None:
        """Leaves word for a trial that it is to end, with `epoch` as its last."""
        path = _word(self.address, number)
        path.with_suffix(".new").write_text(str(epoch), encoding="ascii")
        path.with_suffix(".new").replace(path)


class ProgressSender:
    """A trial's side: sends its epochs, several in a letter, and asks whether it is to stop.

    It never waits: where letters cannot be delivered now, or from this machine, their epochs go with later ones.
    """

    def __init__(self, address: Path, number: int) -> None:
        self._address = address
        self._number = number
        self._waiting: list[Epoch] = []
        self._last = 0.0

    def send(self, epoch: Epoch) -> None:
        """Takes an epoch to send."""
        self._waiting.append(epoch)
        if time.monotonic() - self._last > SECONDS_BETWEEN_MESSAGES:
            self.flush()

    def last_epoch(self) -> int | None:
        """The epoch that the trial is to end with; None where it is to go on."""
        try:
            return int(_word(self._address, self._number).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def flush(self) -> None:
        """Sends what it has taken, as far as there is room for it now."""
        self._last = time.monotonic()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_driver:
            to_driver.setblocking(False)
            to_driver.connect(str(self._address / "letters"))
            while some := self._waiting[:EPOCHS_PER_MESSAGE]:
                content = b"".join(_EPOCH.pack(*astuple(epoch)) for epoch in some)
                to_driver.send(_NUMBER.pack(self._number) + content)
                del self._waiting[: len(some)]


def _word(address: Path, number: int) -> Path:
    return address / f"stop-{number}"
