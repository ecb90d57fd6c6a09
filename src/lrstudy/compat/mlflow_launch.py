"""The folder where the user typed `mlflow run`, which starts the project in the project's own folder.

MLflow tells its child process the run, the experiment and the tracking server, but not its own folder. Seen to work
with MLflow 3.17 on Linux and macOS.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import psutil

SET_BY_MLFLOW = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI")


def launch_folder() -> Path:
    """Return the current folder or, in a process that `mlflow run` started, the current folder of MLflow's process.

    MLflow's process is the closest ancestor without this run's id in its environment. Without this function, a
    relative path would be searched in the project's folder.
    """
    if all(name in os.environ for name in SET_BY_MLFLOW):
        with suppress(psutil.Error):
            for ancestor in psutil.Process().parents():
                if ancestor.environ().get("MLFLOW_RUN_ID") != os.environ["MLFLOW_RUN_ID"]:
                    return Path(ancestor.cwd())
    return Path.cwd()
