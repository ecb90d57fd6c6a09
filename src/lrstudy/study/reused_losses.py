"""The losses per validation image of runs that a study reuses, read from the server when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from mlflow.entities import Run

from lrstudy.image_losses import VAL_LOSSES, from_npy
from lrstudy.run_artifacts import read_artifact
from lrstudy.tracking.tracked_run import TrackedRun


def val_losses_reader(study: TrackedRun, run: Run) -> Callable[[], np.ndarray | None]:
    """Return a function that reads the losses of a finished run, from the server the first time.

    It returns None if the run has none or the server is unavailable, and tries again at the next call. It can be called
    by several threads at once.
    """

    @cache
    def read_file() -> np.ndarray | None:
        return from_npy(read_artifact(run.info.artifact_uri, VAL_LOSSES, study.client.tracking_uri))

    def read() -> np.ndarray | None:
        if study.outbox.offline:
            return None
        try:
            return read_file()
        except Exception:  # each kind of artifact store has its own errors
            return None

    return read
