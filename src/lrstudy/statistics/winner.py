"""The loss of the recommended cell, corrected for having been chosen because it was low."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lrstudy.statistics.cell_means import CellMeans
from lrstudy.statistics.outcomes import Outcome, Outcomes


@dataclass(frozen=True)
class Estimate:
    """The validation loss to expect of the recommended cell with new seeds, on the same images.

    `loss` is in nats, corrected, within the interval `low` to `high`; `observed` is the geometric mean of the losses
    that were seen. `test_accuracy` is corrected likewise, NaN if unknown.
    """

    loss: float
    low: float
    high: float
    observed: float
    test_accuracy: float = math.nan


def estimate_winner(outcomes: Outcomes, means: CellMeans, confidence: float) -> Estimate:
    """Estimate the loss of the best cell without the part of it that is luck.

    The lowest of several means is low by luck as well. By how much is simulated from the joint distribution of the
    means (the parametric bootstrap of Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 10).
    """
    place = means.cells.index(means.best)
    mean, bias = float(means.means[place]), selection_bias(means)
    margin = float(np.quantile(np.abs(means.draws[:, place]), confidence))
    low, loss, high = (math.exp(mean - bias + offset) for offset in (-margin, 0.0, margin))
    return Estimate(loss, low, high, math.exp(mean), _test_accuracy(outcomes, means, bias))


def selection_bias(means: CellMeans) -> float:
    """Return how much too low the mean of the best cell is expected to be, in log units: 0 or negative."""
    true_means = means.means + means.draws
    estimates = true_means + np.roll(means.draws, 1, axis=0)
    chosen = estimates.argmin(axis=1)[:, None]
    return float(np.take_along_axis(estimates - true_means, chosen, axis=1).mean())


def _test_accuracy(outcomes: Outcomes, means: CellMeans, bias: float) -> float:
    """Return the best cell's mean accuracy on the test split, without the luck that it shares with validation."""
    observed = [row.test_accuracy for row in outcomes.of(means.best)]
    slope = _slope([outcomes.of(cell) for cell in means.cells])
    return float(np.mean(observed)) - slope * bias


def _slope(cells: list[list[Outcome]]) -> float:
    """Return by how much the test accuracy changes with the log validation loss of a seed, pooled within cells."""
    losses, accuracies = [], []
    for rows in cells:
        if len(rows) > 1:
            logs = np.log([row.val_loss for row in rows])
            losses.append(logs - logs.mean())
            accuracies.append(np.array([row.test_accuracy for row in rows]) - np.mean([r.test_accuracy for r in rows]))
    x, y = np.concatenate(losses or [np.zeros(1)]), np.concatenate(accuracies or [np.zeros(1)])
    return float(x @ y / (x @ x)) if x @ x > 0 else 0.0
