"""Turns at the tracking server: what only one of this machine's processes may do at a time."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock

from lrstudy import cache_paths


@contextmanager
def server_lock(at: str, server: str) -> Iterator[None]:
    """Keeps other processes from what is called `at`, at the server of this server_address, if it can.

    Where neither the cache nor the folder of temporary files can be written to, it is done without turns.
    """
    name = f"{hashlib.sha256(server.encode()).hexdigest()[:16]}.lock"
    with (
        _locked(cache_paths.cache_folder() / at / name)
        or _locked(_temporary() / f"lrstudy-{at}-{name}")
        or nullcontext()
    ):
        yield


def _locked(path: Path) -> AbstractContextManager[object] | None:
    """A lock that is held, and let go of as a `with` block; None where it cannot be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path).acquire()
    except OSError:
        return None


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # there is none that can be written to
        return Path()
