"""Tracking databases of tests, without the seconds that MLflow takes to create one."""

from functools import cache
from pathlib import Path

import mlflow
from mlflow.store.db import utils

import shared_by_workers


def empty_database() -> Path:
    """Return the file of a tracking database with no runs, to copy: it is created once per pytest run."""
    path = shared_by_workers.folder() / "empty.db"

    def create() -> str:
        mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
        return str(path)

    return Path(shared_by_workers.once("empty-database", create))


def read_migrations_once() -> None:
    """Remember the latest version of MLflow's tables, for which MLflow reads nearly 70 files per database."""
    utils._get_latest_schema_revision = cache(utils._get_latest_schema_revision)
    utils._get_latest_schema_revision()
