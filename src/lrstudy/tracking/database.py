"""A tracking database: one in an SQLite file is made whole or not at all, by one process at a time.

MLflow makes a database in a hundred steps. One that was stopped between two of them, or made by two processes at once,
is damaged for good.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import mlflow
from alembic.util.exc import CommandError
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from lrstudy import cache_paths
from lrstudy.errors import TrackingError
from lrstudy.redaction import redact_credentials
from lrstudy.tracking.failures import failure_reason

SECONDS_LOCKED = 60.0
# What a database that cannot be made, opened or written raises.
UNUSABLE = (OSError, sqlite3.Error, SQLAlchemyError, CommandError)


@contextmanager
def prepared(uri: str) -> Iterator[None]:
    """With the database of `uri` there, if it is an SQLite file's, and no other of our processes at its making.

    Raises:
        TrackingError: the database cannot be opened, which MLflow would try again for minutes.
    """
    path = uri.removeprefix("sqlite:///")
    if path == uri or "?" in path:
        if uri.partition("://")[0].partition("+")[0] in DATABASE_ENGINES:
            _open(uri)
        yield
        return
    try:
        with FileLock(f"{path}.lock", timeout=SECONDS_LOCKED):
            if not Path(path).exists() or not Path(path).stat().st_size:
                _make(Path(path))
            with closing(sqlite3.connect(path, timeout=SECONDS_LOCKED)) as database:
                database.execute("begin immediate")
            yield
    except (*UNUSABLE, Timeout) as error:
        raise TrackingError(f"the tracking database {path} cannot be used: {failure_reason(error)}.") from error


def _open(uri: str) -> None:
    try:
        engine = create_engine(uri)
        with engine.connect():
            pass
        engine.dispose()
    except (SQLAlchemyError, ImportError) as error:  # which is for want of the package for its kind
        raise TrackingError(
            f"the tracking database {redact_credentials(uri)} cannot be used: {failure_reason(error)}."
        ) from error


def _make(path: Path) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        shutil.copyfile(_empty(), unfinished)
    except (*UNUSABLE, MlflowException):  # the cache is of no use, or its disk is full: without it
        _initialise(unfinished)
    unfinished.replace(path)


def _empty() -> Path:
    """A database without an experiment, of this version of MLflow: kept, since making it takes a second or more."""
    kept = cache_paths.cache_folder() / "tracking" / f"empty-{mlflow.__version__}.db"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(f".{os.getpid()}")
        try:
            _initialise(unfinished)
            unfinished.replace(kept)
        finally:
            unfinished.unlink(missing_ok=True)
    return kept


def _initialise(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    MlflowClient(f"sqlite:///{path}").search_experiments(max_results=1)
    # Its first experiment says where this folder's artifacts lie. Of a database without one MLflow makes it anew.
    with closing(sqlite3.connect(path)) as database:
        database.execute("delete from experiments")
        database.commit()
