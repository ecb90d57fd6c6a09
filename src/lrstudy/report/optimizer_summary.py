"""Summary of one optimizer's cells: its best learning rate, usable band and learning-rate sensitivity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from lrstudy.report.cells import Cell, Training

# The usable band: an accuracy lower than the best by at most this counts as equally good.
BAND = 0.01


@dataclass(frozen=True)
class Band:
    """The usable band: the learning rates from `low` to `high`, and the number of learning rates tried in it."""

    low: float
    high: float
    points: int

    @property
    def decades(self) -> float:
        """The width in powers of ten."""
        return math.log10(self.high / self.low)


@dataclass(frozen=True)
class Sensitivity:
    """Learning-rate sensitivity by Wortsman et al. 2023 (arXiv 2309.14322, section 2.2).

    The mean, over the `points` learning rates from `low` to `high`, of min(l(lr), l0) - l*: with l the final validation
    loss, l0 the first one (that of the untrained network, if it was logged), and l* the lowest l. 0 is best. Where the
    learning rates are not evenly spaced on the logarithmic axis, each has the weight of its stretch of it, which
    reaches halfway to its neighbours, and beyond the ends equally far. `unweighted` is the same without these weights.
    NaN for fewer than two learning rates.
    """

    value: float
    unweighted: float
    low: float
    high: float
    points: int


@dataclass(frozen=True, eq=False)
class OptimizerSummary:
    """An optimizer's best cell (None if all diverged), usable band and sensitivity.

    `open_low` and `open_high` are True if no lower or no higher learning rate than the best was tried.
    """

    optimizer: str
    best: Cell | None
    open_low: bool
    open_high: bool
    band: Band | None
    sensitivity: Sensitivity

    @property
    def bracketed(self) -> bool:
        """True if a lower and a higher learning rate than the best were tried."""
        return self.best is not None and not (self.open_low or self.open_high)


def summarize_optimizer(optimizer: str, cells: Sequence[Cell]) -> OptimizerSummary:
    """Return the summary of one optimizer's cells, which are in order of rising learning rate."""
    usable = [cell for cell in cells if not cell.diverged and math.isfinite(cell.loss.mean)]
    best = min(usable, key=lambda cell: cell.loss.mean, default=None)
    open_low = best is not None and best.lr == cells[0].lr
    open_high = best is not None and best.lr == cells[-1].lr
    return OptimizerSummary(optimizer, best, open_low, open_high, _band(cells), _sensitivity(cells))


def most_accurate(cells: Sequence[Cell]) -> Cell | None:
    """Return the cell with the highest validation accuracy of those that did not diverge."""
    usable = [cell for cell in cells if cell.accuracy.n and not cell.diverged]
    return max(usable, key=lambda cell: cell.accuracy.mean, default=None)


def _band(cells: Sequence[Cell]) -> Band | None:
    """Return the gapless range of learning rates around the most accurate one that are within `BAND` of it."""
    known = [cell for cell in cells if cell.accuracy.n]
    top = most_accurate(known)
    if top is None:
        return None
    inside = [not cell.diverged and cell.accuracy.mean >= top.accuracy.mean - BAND - 1e-12 for cell in known]
    low = high = known.index(top)
    while low > 0 and inside[low - 1]:
        low -= 1
    while high < len(known) - 1 and inside[high + 1]:
        high += 1
    return Band(known[low].lr, known[high].lr, high - low + 1)


def _sensitivity(cells: Sequence[Cell]) -> Sensitivity:
    """Return the sensitivity of an optimizer's cells; several seeds of a cell count as their mean."""
    losses = [fmean(map(_capped_loss, cell.trainings)) for cell in cells]
    lrs = [cell.lr for cell in cells]
    value = unweighted = math.nan
    if len(losses) > 1:
        value = float(np.average(losses, weights=_stretches(lrs))) - min(losses)
        unweighted = fmean(losses) - min(losses)
    return Sensitivity(value, unweighted, min(lrs), max(lrs), len(lrs))


def _stretches(lrs: Sequence[float]) -> np.ndarray:
    """Return each rising learning rate's stretch of the logarithmic axis, float64."""
    steps = np.diff(np.log10(lrs))
    stretches: np.ndarray = (np.concatenate([steps[:1], steps]) + np.concatenate([steps, steps[-1:]])) / 2
    return stretches


def _capped_loss(training: Training) -> float:
    """Return the final validation loss, but at most that of the untrained network."""
    values = training.values("val_loss")
    if not len(values):
        return training.last("val_loss")
    last, first = float(values[-1]), float(values[0])
    return first if not math.isfinite(last) or training.diverged else min(last, first)
