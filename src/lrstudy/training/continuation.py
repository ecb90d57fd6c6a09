"""Begin a training where another one has ended, as if it had been interrupted there."""

from __future__ import annotations

import io

import torch

from lrstudy.errors import SettingsError
from lrstudy.formatting import setting_error
from lrstudy.training import checkpoint
from lrstudy.training.progress import Progress, initial_progress
from lrstudy.training.result import Beginning
from lrstudy.training.setup import TrainingSetup


def write_beginning(training: TrainingSetup, run_id: str, beginning: Beginning) -> None:
    """Write the checkpoint of a new run, from which its training then resumes.

    Args:
        training: the new one, at its beginning.
        run_id: of the new run.
        beginning: the part of the other training that its run has kept.

    Raises:
        SettingsError: it is damaged, or of another network or optimizer.
        OSError: the checkpoint cannot be written.
    """
    try:
        if beginning.state is not None:
            progress = checkpoint.from_state(training, beginning.state)
        else:
            progress = _from_best(training, beginning)
    except Exception as error:  # a file of something else fails in many ways
        origin = training.plan.settings.continue_from
        problem = ": what the run has kept is damaged, or of another network or optimizer; it is not used."
        raise SettingsError(setting_error("continue_from", origin, problem)) from error
    checkpoint.write(training, run_id, progress)


def _from_best(training: TrainingSetup, beginning: Beginning) -> Progress:
    weights = torch.load(io.BytesIO(beginning.weights or b""), map_location="cpu", weights_only=True)
    training.network.load_state_dict(weights)
    progress = initial_progress(training)
    epochs = list(beginning.history[: beginning.best_epoch + 1])
    progress.history, progress.best = epochs, epochs[-1]
    return progress
