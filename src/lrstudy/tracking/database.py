"""Create a tracking database in an SQLite file as a whole or not at all, in one process at a time.

MLflow creates a database in a hundred steps. A database is damaged for good if its creation was interrupted between two
of them, or if two processes created it at once.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
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
from lrstudy.compat.mlflow_internals import delete_default_experiment
from lrstudy.errors import TrackingError
from lrstudy.redaction import redact_credentials
from lrstudy.tracking.failures import failure_reason

SECONDS_LOCKED = 60.0
# Errors of a database that cannot be created, opened or written.
DATABASE_ERRORS = (OSError, sqlite3.Error, SQLAlchemyError, CommandError)


@contextmanager
def prepared_database(uri: str) -> Iterator[None]:
    """Create the database of `uri` if it is a new SQLite file, and keep other processes from creating it meanwhile.

    Raises:
        TrackingError: the database cannot be opened, which MLflow would retry for minutes.
    """
    path = _sqlite_file(uri)
    if path is None:
        if uri.partition("://")[0].partition("+")[0] in DATABASE_ENGINES:
            _check_connection(uri)
        yield
        return
    try:
        with FileLock(f"{path}.lock", timeout=SECONDS_LOCKED):
            if _is_missing(path):
                _create(path)
            with closing(sqlite3.connect(path, timeout=SECONDS_LOCKED)) as database:
                database.execute("begin immediate")
            yield
    except (*DATABASE_ERRORS, Timeout) as error:
        raise TrackingError(
            f"the tracking database {path.absolute()} cannot be used: {failure_reason(error)}; "
            "MLFLOW_TRACKING_URI can name another one."
        ) from error


def is_new_database(uri: str) -> bool:
    """Return whether `uri` is that of an SQLite file that does not exist yet."""
    path = _sqlite_file(uri)
    return path is not None and _is_missing(path)


def warm_up() -> None:
    """Import MLflow's modules for databases and cache an empty one, which takes a second; create nothing else."""
    with suppress(*DATABASE_ERRORS, MlflowException), tempfile.TemporaryDirectory(prefix="lrstudy-") as folder:
        copy = Path(folder, "copy.db")
        shutil.copyfile(_empty_database(), copy)
        MlflowClient(f"sqlite:///{copy}").search_experiments(max_results=1)


def _sqlite_file(uri: str) -> Path | None:
    path = uri.removeprefix("sqlite:///")
    return None if path == uri or "?" in path else Path(path)


def _is_missing(path: Path) -> bool:
    return not path.exists() or not path.stat().st_size


def _check_connection(uri: str) -> None:
    try:
        engine = create_engine(uri)
        with engine.connect():
            pass
        engine.dispose()
    except (SQLAlchemyError, ImportError) as error:  # the latter if the driver's package is not installed
        raise TrackingError(
            f"the tracking database {redact_credentials(uri)} cannot be used: {failure_reason(error)}."
        ) from error


def _create(path: Path) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        shutil.copyfile(_empty_database(), unfinished)
    except (*DATABASE_ERRORS, MlflowException):  # the cache folder cannot be written, or its disk is full
        _initialise(unfinished)
    unfinished.replace(path)


def _empty_database() -> Path:
    """Return a cached database of this version of MLflow without experiments; its creation takes a second or more."""
    cached = cache_paths.cache_folder() / "tracking" / f"empty-{mlflow.__version__}.db"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        unfinished = cached.with_suffix(f".{os.getpid()}")
        try:
            _initialise(unfinished)
            unfinished.replace(cached)
        finally:
            unfinished.unlink(missing_ok=True)
    return cached


def _initialise(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    MlflowClient(f"sqlite:///{path}").search_experiments(max_results=1)
    delete_default_experiment(path)
