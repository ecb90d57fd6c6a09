"""The name of the experiment that runs are logged to: that of the data set, unless the user chooses another.

`mlflow run` opens its run, and so chooses the experiment, before it starts a script.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lrstudy.formatting import printable

if TYPE_CHECKING:
    from mlflow.entities import Run

NAME, IDENTITY = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"
# Variables of MLflow by which the user, or `mlflow run`, chooses an experiment, or a run in it.
CHOICES = (NAME, IDENTITY, "MLFLOW_RUN_ID")
DEFAULT = "Default"
# MLflow rejects longer names.
MAX_LENGTH = 500


def experiment_of(data: str) -> str:
    """Return the name of the experiment of a data set, which is named or a folder: `digits`, or the folder's name."""
    return printable(Path(data).expanduser().absolute().name)[:MAX_LENGTH] or DEFAULT


def choose_experiment_of(run: Run) -> None:
    """Let this process log to the experiment of a run, unless the environment names another one."""
    if not any(map(os.environ.get, CHOICES)):
        os.environ[IDENTITY] = run.info.experiment_id


def choose_experiment(data: str) -> None:
    """Let this process log to the experiment of a data set, unless the environment names an experiment or a run.

    On Databricks, names of experiments are paths in the workspace: MLflow's own choice is kept.
    """
    on_databricks = os.environ.get("MLFLOW_TRACKING_URI", "").startswith("databricks")
    if not any(map(os.environ.get, CHOICES)) and not on_databricks:
        os.environ[NAME] = experiment_of(data)
