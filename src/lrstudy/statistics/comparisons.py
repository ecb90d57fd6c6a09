"""Simultaneous comparisons of all cells with the best one: which are surely worse, and which may be as good."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from lrstudy.statistics.cell_means import CellMeans
from lrstudy.statistics.outcomes import Cell

# A study is looked at again and again, and stops when it looks settled: a look may spend this share of the error.
LOOK = 0.5


def at_each_look(confidence: float) -> float:
    """Return the confidence of the comparisons at each look at a study, for claims that hold with `confidence`."""
    return 1 - LOOK * (1 - confidence)


@dataclass(frozen=True)
class CellComparison:
    """A cell's loss relative to the recommended one's: 0.1 is 10% higher.

    `difference` is the estimate, `low` to `high` its interval, which holds for all cells at once; -1 and infinite where
    one seed each leaves it unknown. `size_is_known` is False if the cell has too few seeds to say how much worse it is.
    """

    cell: Cell
    difference: float
    low: float
    high: float
    size_is_known: bool = True

    @property
    def is_worse(self) -> bool:
        """True if the cell is surely worse; else it is not distinguishable from the recommended one."""
        return self.low > 0

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the difference; from 0 without an upper end if the cell is worse by an unknown size."""
        return (self.low, self.high) if self.size_is_known or not self.is_worse else (0.0, math.inf)


def compare(means: CellMeans, best: Cell, confidence: float) -> list[CellComparison]:
    """Compare each other cell with `best`.

    All intervals hold together with the stated confidence although `best` was selected, since they hold for all pairs:
    Tukey's method, with unequal numbers of seeds by simulation from the joint distribution (Hothorn, Bretz & Westfall
    2008, https://doi.org/10.1002/bimj.200810425).

    Args:
        means: of the cells, among them `best`.
        best: the cell to compare with.
        confidence: that all intervals hold, such as 0.95.
    """
    place = means.cells.index(best)
    differences = means.means - means.means[place]
    margins = _margins(means, place, confidence)
    return [
        CellComparison(cell, as_share(difference), as_share(difference - margin), as_share(difference + margin))
        for cell, difference, margin in zip(means.cells, differences, margins, strict=True)
        if cell != best
    ]


def as_share(log_ratio: float) -> float:
    """Return by how much one loss is higher than another, as a share; infinite beyond the largest number."""
    try:
        return math.expm1(log_ratio)
    except OverflowError:
        return math.inf


def _margins(means: CellMeans, place: int, confidence: float) -> np.ndarray:
    """Return half the width of the interval of each cell's difference to the one at `place`, float64 `(cells,)`."""
    if not means.variances.df:
        return np.full(len(means.cells), math.inf)
    margins: np.ndarray = _critical_value(means, confidence) * _standard_errors(means.covariance)[place]
    return margins


def _standard_errors(covariance: np.ndarray) -> np.ndarray:
    """Return the standard errors of all differences, float64 `(cells, cells)`."""
    variances = np.diag(covariance)
    errors: np.ndarray = np.sqrt(np.maximum(variances[:, None] + variances - 2 * covariance, 0))
    return errors


@lru_cache(maxsize=16)
def _critical_value(means: CellMeans, confidence: float) -> float:
    """Return the quantile of the largest of all differences in units of their standard errors."""
    draws, errors = means.draws, _standard_errors(means.covariance)
    largest = np.zeros(len(draws))
    for one, other in combinations(range(len(errors)), 2):
        np.maximum(largest, np.abs(draws[:, one] - draws[:, other]) / errors[one, other], out=largest)
    return float(np.quantile(largest, confidence))
