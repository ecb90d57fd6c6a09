"""Turns at the tracking server: what only one of this machine's processes may do at a time."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from filelock import FileLock

from lrstudy import places


@contextmanager
def turn(at: str) -> Iterator[None]:
    """Keeps other processes from what is called `at`, at the same server."""
    uri = mlflow.get_tracking_uri()
    database = uri.removeprefix("sqlite:///")
    server = uri if database == uri else str(Path(database).absolute())
    name = f"{hashlib.sha256(server.encode()).hexdigest()[:16]}.lock"
    folder = places.cache() / at
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # the cache is of no use: without it
        folder, name = Path(tempfile.gettempdir()), f"lrstudy-{at}-{name}"
    with FileLock(folder / name):
        yield
