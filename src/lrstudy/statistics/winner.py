"""The loss of the recommended cell, corrected for having been chosen because it was low."""

from __future__ import annotations

import math
import sys
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
    mean, bias = float(means.means[means.cells.index(means.best)]), selection_bias(means)
    margin = _margin(outcomes, means, confidence)
    low, loss, high = (_exp(mean - bias + offset) for offset in (-margin, 0.0, margin))
    return Estimate(loss, low, high, _exp(mean), _test_accuracy(outcomes, means, bias))


def _exp(log: float) -> float:
    """Return exp(log), infinite beyond the largest number."""
    return math.exp(log) if log < math.log(sys.float_info.max) else math.inf


def _margin(outcomes: Outcomes, means: CellMeans, confidence: float) -> float:
    """Return half the width of the interval of the best cell's mean over new seeds, in log units.

    New seeds have other effects on all cells, which differences between cells do not show. The variance of a training
    is that of the seeds and the residual one together. In a whole table it is (S + (k - 1) R) / k, with the mean
    squares S of seeds and R of residuals of k cells; hence its degrees of freedom (Satterthwaite 1946,
    https://doi.org/10.2307/3002019).
    """
    from scipy.special import stdtrit  # takes a moment, and a table with one seed does without

    logs = outcomes.log_losses[[outcomes.cells.index(cell) for cell in means.cells]]
    counts, residual = np.isfinite(logs).sum(axis=1), means.variances.common
    variance = means.variances.within
    residual_part = (1 - 1 / (counts > 1).sum()) * residual
    seed_share = 1 - residual_part / max(variance, residual)
    df = 1 / (seed_share**2 / (counts.max() - 1) + (1 - seed_share) ** 2 / means.variances.df)
    place = means.cells.index(means.best)
    own = max(variance - residual, 0.0) + residual / means.variances.precisions[place]
    return float(stdtrit(df, (1 + confidence) / 2) * math.sqrt(own / counts[place]))


def selection_bias(means: CellMeans) -> float:
    """Return how much too low the mean of the best cell is expected to be, in log units: 0 or negative.

    The errors are drawn with the estimated variances as if these were known: with few degrees of freedom a t
    distribution has no mean, and the expectation would be decided by its tails.
    """
    errors = np.roll(means.normal_draws, 1, axis=0)
    chosen = (means.means + means.normal_draws + errors).argmin(axis=1)[:, None]
    # Their mean is 0, but that of a few thousand draws less so if all cells have the same seeds.
    errors = errors - errors.mean(axis=1, keepdims=True)
    return float(np.take_along_axis(errors, chosen, axis=1).mean())


def _test_accuracy(outcomes: Outcomes, means: CellMeans, bias: float) -> float:
    """Return the best cell's mean accuracy on the test split, without the luck that it shares with validation."""
    observed = [row.test_accuracy for row in outcomes.of(means.best)]
    slope = _slope([outcomes.of(cell) for cell in means.cells])
    return float(np.mean(observed)) - slope * bias


def _slope(cells: list[list[Outcome]]) -> float:
    """Return by how much the test accuracy changes with the log validation loss of a seed, pooled within cells."""
    losses, accuracies = [], []
    for rows in cells:
        tested = [row for row in rows if math.isfinite(row.test_accuracy)]
        if len(tested) > 1:
            losses.append(_centred([math.log(row.val_loss) for row in tested]))
            accuracies.append(_centred([row.test_accuracy for row in tested]))
    x, y = np.concatenate(losses or [np.zeros(1)]), np.concatenate(accuracies or [np.zeros(1)])
    return float(x @ y / (x @ x)) if x @ x > 0 else 0.0


def _centred(values: list[float]) -> np.ndarray:
    centred: np.ndarray = np.array(values) - np.mean(values)
    return centred
