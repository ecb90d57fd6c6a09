"""Summary of one optimizer's cells: its best learning rate, usable band and learning-rate sensitivity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

import numpy as np

from lrstudy.report.cells import Cell, Training
from lrstudy.statistics.race import is_near


class Open(StrEnum):
    """The state of a side of an optimizer's best learning rate: open without a worse one at half a decade's distance.

    `EDGE` if none was tried on that side, `GAP` if the nearest one is further away.
    """

    NO = ""
    EDGE = "edge"
    GAP = "gap"


@dataclass(frozen=True)
class Band:
    """The usable band: learning rates from `low` to `high` that are not surely worse by more than matters.

    `points` is the number of learning rates tried in it.
    """

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
    """An optimizer's best cell (None if each has a failed training), usable band (None if unknown) and sensitivity.

    `open_low` and `open_high` are whether a lower and a higher learning rate are missing at half a decade's distance.
    """

    optimizer: str
    best: Cell | None
    open_low: Open
    open_high: Open
    band: Band | None
    sensitivity: Sensitivity

    @property
    def bracketed(self) -> bool:
        """True if a lower and a higher learning rate were tried at half a decade's distance from the best."""
        return self.best is not None and not (self.open_low or self.open_high)


def summarize_optimizer(
    optimizer: str, cells: Sequence[Cell], best: Cell | None, band: Sequence[float]
) -> OptimizerSummary:
    """Return the summary of one optimizer.

    Args:
        optimizer: its name.
        cells: in order of rising learning rate.
        best: of them; None if each has a failed training.
        band: the rising learning rates of the usable band, empty if unknown.
    """
    low, high = (_is_open(cells, best, side) for side in (-1, 1))
    usable = Band(band[0], band[-1], len(band)) if band else None
    return OptimizerSummary(optimizer, best, low, high, usable, _sensitivity(cells))


def _is_open(cells: Sequence[Cell], best: Cell | None, side: int) -> Open:
    """Return whether a worse cell is missing at half a decade's distance from `best`: below it (-1) or above (1)."""
    if best is None:
        return Open.NO
    ratios = [(cell.lr / best.lr) ** side for cell in cells if (cell.lr / best.lr) ** side > 1]
    if not ratios:
        return Open.EDGE
    return Open.NO if is_near(1, min(ratios)) else Open.GAP


def most_accurate(cells: Sequence[Cell]) -> Cell | None:
    """Return the cell with the highest validation accuracy of those that did not diverge."""
    usable = [cell for cell in cells if cell.accuracy.n and not cell.diverged]
    return max(usable, key=lambda cell: cell.accuracy.mean, default=None)


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
