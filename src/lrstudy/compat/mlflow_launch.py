"""The folder where the user typed `mlflow run`, which starts the project in the project's own folder.

MLflow passes the run, the experiment and the tracking server to its child process, but not its own folder. Seen to work
with MLflow 3.17 on Linux and macOS.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SET_BY_MLFLOW = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI")


def launch_folder() -> Path:
    """Return the current folder or, in a process that `mlflow run` started, the current folder of MLflow's process.

    MLflow's process is the closest ancestor without this run's id in its environment. Without this function, a
    relative path would be searched in the project's folder.
    """
    if all(name in os.environ for name in SET_BY_MLFLOW):
        import psutil  # needed in this case only

        with suppress(psutil.Error):
            for ancestor in psutil.Process().parents():
                if ancestor.environ().get("MLFLOW_RUN_ID") != os.environ["MLFLOW_RUN_ID"]:
                    return Path(ancestor.cwd())
    return Path.cwd()


def typed_path(path: Path, is_there: Callable[[Path], bool] = Path.exists) -> Path:
    """Return a path from the folder where the user typed it if it is there, and otherwise as it is.

    Args:
        path: with its home folder, if it names one.
        is_there: returns whether there is such a file or folder.
    """
    if path.is_absolute():
        return path
    typed_in = launch_folder() / path
    return typed_in if is_there(typed_in) else path
