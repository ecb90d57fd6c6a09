"""Functions that die on purpose, in place of those of `worker_tasks`."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lrstudy.study import progress_channel, trial
from lrstudy.study.trial_job import TrialJob
from lrstudy.training import checkpoint
from lrstudy.training.epoch import Epoch
from lrstudy.training.result import WorkerResult


def train_with_checkpoints(job: TrialJob) -> WorkerResult:
    """Train with a checkpoint after each epoch."""
    checkpoint.SECONDS_BETWEEN, checkpoint.MAX_SHARE = -1.0, float("inf")
    return trial.run_trial(job)


def train_to_epoch_20(job: TrialJob) -> WorkerResult:
    """Train with a checkpoint after each epoch up to 15; after epoch 20 wait to be killed."""
    _call_after_epoch_20(lambda: time.sleep(100))
    return train_with_checkpoints(job)


def train_and_die_once(job: TrialJob) -> WorkerResult:
    """Train with a checkpoint after each epoch up to 15; die after epoch 20, the first time."""
    died = Path("died")
    if not died.exists():
        died.touch()
        _call_after_epoch_20(lambda: os.kill(os.getpid(), signal.SIGKILL))
    return train_with_checkpoints(job)


def kill_driver(*_: Any) -> None:
    """Kill the process that started this worker, in place of saving a model."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    assert parent.pid is not None
    os.kill(parent.pid, signal.SIGKILL)


def _die_in_the_middle(_: object, __: object, path: Path, ___: object) -> None:
    path.mkdir()
    (path / "MLmodel").write_text("half a mod")
    os.kill(os.getpid(), signal.SIGKILL)


def save_and_die_once(*arguments: Any) -> None:
    """Die in the middle of saving a model, the first time."""
    from lrstudy.study import rendering
    from lrstudy.tracking import model_export

    died = Path("died while saving")
    if not died.exists():
        died.touch()
        model_export.save_network = _die_in_the_middle  # type: ignore[assignment]
    rendering.save_model(*arguments)


def _call_after_epoch_20(then: Callable[[], object]) -> None:
    # Each epoch is reported to the driver at once.
    progress_channel.SECONDS_BETWEEN_MESSAGES = -1.0
    save_checkpoints = checkpoint.save_checkpoints

    def dying_tasks(*arguments: Any) -> Iterator[Epoch]:
        for epoch in save_checkpoints(*arguments):
            yield epoch
            if epoch.epoch == 15:
                checkpoint.SECONDS_BETWEEN = float("inf")
            if epoch.epoch == 20:
                then()

    checkpoint.save_checkpoints = dying_tasks  # type: ignore[assignment]  # whose arguments it passes on
