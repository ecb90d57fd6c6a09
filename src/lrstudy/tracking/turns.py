"""Turns at the tracking server: what only one of this machine's processes may do at a time."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from lrstudy import places


@contextmanager
def turn(at: str, server: str) -> Iterator[None]:
    """Keeps other processes from what is called `at`, at the server of this address."""
    folder, name = places.cache() / at, f"{hashlib.sha256(server.encode()).hexdigest()[:16]}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # the cache is of no use: without it
        folder, name = Path(tempfile.gettempdir()), f"lrstudy-{at}-{name}"
    with FileLock(folder / name):
        yield
