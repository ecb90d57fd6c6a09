"""Differences between two cells' losses, with confidence intervals by scipy's t tests."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lrstudy.report.cells import Cell

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """A cell's best validation loss less the best cell's, over the `n` seeds that both have.

    Seeds are paired, since they share initial weights and the order of batches (Dror et al. 2018,
    https://aclanthology.org/P18-1128, on paired tests). If the cells have no seed in common, `n` is the smaller number
    of seeds, `paired` is False, and the interval is Welch's. `margin` is half of the 95% confidence interval of the
    mean difference, NaN for fewer than two seeds.
    """

    mean: float
    margin: float
    n: int
    paired: bool = True

    @property
    def is_noise(self) -> bool:
        """True if the interval contains a difference of zero; False also where there is no interval."""
        return self.n > 1 and abs(self.mean) <= self.margin


def difference(cell: Cell, best: Cell) -> Difference:
    """Return the difference of `cell` to `best`."""
    losses = {training.seed: training.best_val_loss for training in cell.trainings}
    best_losses = {training.seed: training.best_val_loss for training in best.trainings}
    if differences := [losses[seed] - best_losses[seed] for seed in losses if seed in best_losses]:
        return paired(differences)
    return unpaired(list(losses.values()), list(best_losses.values()))


def paired(differences: Sequence[float]) -> Difference:
    """Return the mean of one or more paired differences, with its margin."""
    n, mean = len(differences), fmean(differences)
    if n < 2:
        return Difference(mean, math.nan, n)
    from scipy import stats  # takes most of a second, and a study with one seed does without

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of equal differences, whose margin is 0
        return Difference(mean, _margin(stats.ttest_1samp(differences, 0)), n)


def unpaired(losses: Sequence[float], others: Sequence[float]) -> Difference:
    """Return the difference of two means, with the margin of Welch's test."""
    n, mean = min(len(losses), len(others)), fmean(losses) - fmean(others)
    if n < 2:
        return Difference(mean, math.nan, n, paired=False)
    from scipy import stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return Difference(mean, _margin(stats.ttest_ind(losses, others, equal_var=False)), n, paired=False)


def _margin(test: Any) -> float:
    interval = test.confidence_interval(CONFIDENCE)
    return float(interval.high - interval.low) / 2
