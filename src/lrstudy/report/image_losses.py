"""The losses of trainings per validation image, read from the tracking server."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import mlflow
import numpy as np

from lrstudy.image_losses import VAL_LOSSES, from_npy
from lrstudy.report.runs import Run
from lrstudy.run_artifacts import read_artifact
from lrstudy.server_names import KIND, TRAINING

CONCURRENT_READS = 8
# A missing file is reported within a moment. A store that takes longer to fail is not asked again.
MAX_SECONDS_TO_FAIL = 4.0


def read_val_losses(runs: Iterable[Run], file: str = VAL_LOSSES) -> dict[str, np.ndarray]:
    """Return the loss of each validation image at the best epoch, float32 `(images,)`, by the ids of the runs.

    Runs without them are left out: those of other programs and of earlier versions, pruned ones, and those whose files
    cannot be read. Runs of the same data have the same images in the same order.

    Args:
        runs: such as those of a group.
        file: `TEST_LOSSES` for the losses on the held-out test split.
    """
    server, unreachable = mlflow.get_tracking_uri(), Event()
    ours = [run for run in runs if run.tags.get(KIND) == TRAINING]
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        read = pool.map(lambda run: _read(run, file, server, unreachable), ours)
        return {run.run_id: losses for run, losses in zip(ours, read, strict=True) if losses is not None}


def _read(run: Run, file: str, server: str, unreachable: Event) -> np.ndarray | None:
    """Return the losses of a run; None without them, or once the store is `unreachable`."""
    if unreachable.is_set():
        return None
    started = time.monotonic()
    try:
        return from_npy(read_artifact(run.artifact_uri, file, server))
    except Exception:  # each kind of artifact store has its own errors
        if time.monotonic() - started > MAX_SECONDS_TO_FAIL:
            unreachable.set()
        return None
