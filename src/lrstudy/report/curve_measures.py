"""Measures of single curves: steadiness, generalisation gap, and whether training stopped too early."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lrstudy.report.cells import Cell, Training

# A cell still improves if its best epoch is in this last share of its epochs…
LAST_SHARE = 0.05
# … and its validation loss fell by at least this share of itself in the last tenth: less is not worth more epochs.
LAST_TENTH, MIN_GAIN = 0.1, 0.01


def still_improves(cell: Cell) -> bool:
    """Return True if most trainings of a cell had their lowest loss at the very end, after a fall that matters."""
    late = [
        training.best_epoch > (1 - LAST_SHARE) * training.last_epoch and _falls(training) for training in cell.trainings
    ]
    return 2 * sum(late) > len(late)


def _falls(training: Training) -> bool:
    values = training.values("val_loss")
    before = float(values[-1 - max(1, round(LAST_TENTH * (len(values) - 1)))]) if len(values) > 1 else math.nan
    return before - training.best_val_loss >= MIN_GAIN * abs(before)


def steadiness(training: Training) -> float:
    """Return the share of epochs that lowered the training loss; NaN for fewer than two logged values."""
    values = training.values("train_loss")
    return float(np.mean(np.diff(values) < 0)) if len(values) > 1 else math.nan


def generalisation_gap(training: Training) -> float:
    """Return the validation loss less the training loss at the last epoch, in nats."""
    return training.last("val_loss") - training.last("train_loss")


def mean_curve(trainings: Sequence[Training], metric: str) -> np.ndarray:
    """Return the mean over the seeds, float64, as long as the shortest curve."""
    curves = [training.values(metric) for training in trainings]
    length = min(map(len, curves), default=0)
    return np.mean([curve[:length] for curve in curves], axis=0) if length else np.empty(0)
