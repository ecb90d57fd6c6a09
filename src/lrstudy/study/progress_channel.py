"""Progress messages from workers while they train, and stop requests to them.

A message is a datagram, which arrives whole or not at all, even if its worker is killed as it sends. Messages may be
lost, since the result of a training repeats all its epochs.
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
from typing import Protocol, Self

from lrstudy.training.epoch import Epoch

SECONDS_BETWEEN_MESSAGES = 0.25
# Every system accepts a datagram of this size between processes.
MAX_MESSAGE_BYTES = 2048
_NUMBER = struct.Struct("!q")
_EPOCH = struct.Struct(f"!q{len(fields(Epoch)) - 1}d")
EPOCHS_PER_MESSAGE = (MAX_MESSAGE_BYTES - _NUMBER.size) // _EPOCH.size


class Progress(Protocol):
    """The driver's end of a progress channel: receives messages and requests trials to stop."""

    @property
    def address(self) -> Path:
        """Return the address that workers send to."""

    def messages(self) -> Iterator[tuple[int, Epoch]]:
        """Yield the number of a trial and one of its epochs, for each epoch that arrived since the last call."""

    def request_stop(self, number: int, epoch: int) -> None:
        """Request that a trial stops, with `epoch` as its last."""


class ProgressChannel:
    """The `Progress` of workers on this machine."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lrstudy-")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.address / "messages"))
        self._socket.setblocking(False)

    @property
    def address(self) -> Path:
        """Return the folder that workers on this machine send to."""
        return Path(self._folder.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._folder.cleanup()

    def messages(self) -> Iterator[tuple[int, Epoch]]:
        """Yield the number of a trial and one of its epochs, for each epoch that arrived since the last call."""
        with suppress(BlockingIOError):
            while True:
                message = self._socket.recv(MAX_MESSAGE_BYTES)
                (number,) = _NUMBER.unpack_from(message)
                for epoch, *numbers in _EPOCH.iter_unpack(message[_NUMBER.size :]):
                    yield number, Epoch(epoch, *numbers)

    def request_stop(self, number: int, epoch: int) -> None:
        """Request that a trial stops, with `epoch` as its last."""
        path = _stop_request(self.address, number)
        path.with_suffix(".new").write_text(str(epoch), encoding="ascii")
        path.with_suffix(".new").replace(path)


class ProgressSender:
    """A trial's end: sends its epochs, several per message, and looks for a stop request.

    It never waits: epochs that cannot be sent now are sent with later ones.
    """

    def __init__(self, address: Path, number: int) -> None:
        self._address = address
        self._number = number
        self._waiting: list[Epoch] = []
        self._last = 0.0

    def send(self, epoch: Epoch) -> None:
        """Send an epoch, with the next message."""
        self._waiting.append(epoch)
        if time.monotonic() - self._last > SECONDS_BETWEEN_MESSAGES:
            self.flush()

    def stop_epoch(self) -> int | None:
        """Return the epoch that the trial should end with; None without a stop request."""
        try:
            return int(_stop_request(self._address, self._number).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def flush(self) -> None:
        """Send the waiting epochs, as far as the channel has room for them."""
        self._last = time.monotonic()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_driver:
            to_driver.setblocking(False)
            to_driver.connect(str(self._address / "messages"))
            while epochs := self._waiting[:EPOCHS_PER_MESSAGE]:
                content = b"".join(_EPOCH.pack(*astuple(epoch)) for epoch in epochs)
                to_driver.send(_NUMBER.pack(self._number) + content)
                del self._waiting[: len(epochs)]


def _stop_request(address: Path, number: int) -> Path:
    return address / f"stop-{number}"
