"""Settings of the standard library's network functions."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def socket_timeout(seconds: float) -> Iterator[None]:
    """Limit how long each network call of this process waits, while the `with` block runs.

    Reason: torchvision's downloads take no timeout. Seen to work with Python 3.11 and torchvision 0.29.2. Without it,
    a download from a server that does not answer never ends.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
