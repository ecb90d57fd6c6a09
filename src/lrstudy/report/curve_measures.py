"""Measures of single curves: steadiness, generalisation gap, and whether training stopped too early."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lrstudy.report.cells import Cell, Training
from lrstudy.verdicts import convergence


def still_improves(cell: Cell) -> bool:
    """Return True if more epochs would probably lower the validation loss of most trainings of a cell."""
    late = [convergence.still_improves(training.values("val_loss").tolist()) for training in cell.trainings]
    return 2 * sum(late) > len(late)


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
