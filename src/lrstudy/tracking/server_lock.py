"""A lock on a tracking server among the processes of this machine."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock

from lrstudy import cache_paths


@contextmanager
def server_lock(purpose: str, server: str) -> Iterator[None]:
    """Let only one process of this machine at a time run the block for this purpose on this server.

    Without a lock if neither the cache folder nor the folder of temporary files can be written.
    """
    name = f"{hashlib.sha256(server.encode()).hexdigest()[:16]}.lock"
    with (
        _acquire(cache_paths.cache_folder() / purpose / name)
        or _acquire(_temporary_folder() / f"lrstudy-{purpose}-{name}")
        or nullcontext()
    ):
        yield


def _acquire(path: Path) -> AbstractContextManager[object] | None:
    """Return an acquired lock, which the end of a `with` block releases; None if its file cannot be created."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path).acquire()
    except OSError:
        return None


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # no folder for temporary files can be written
        return Path()
