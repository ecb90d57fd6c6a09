"""Regret of a recommendation: how much better than it another cell may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lrstudy.statistics.cell_means import CellMeans
from lrstudy.statistics.outcomes import Cell


@dataclass(frozen=True)
class Risk:
    """The chance that a cell's regret exceeds a limit, and for each cell the chance that it is better by that much."""

    total: float
    by_cell: dict[Cell, float]


def regret_risk(means: CellMeans, cell: Cell, delta: float) -> Risk:
    """Return the chance that another cell's loss is lower than `cell`'s by more than a share `delta`.

    The posterior probability of a regret above a limit, from the joint distribution of the means (a stopping rule like
    those of Bechhofer's indifference zone, with the posterior in place of the least favourable case: Branke, Chick &
    Schmidt 2007, https://doi.org/10.1287/mnsc.1070.0721, section 3).

    Args:
        means: of all cells that could be recommended, of a known variance.
        cell: the recommended cell.
        delta: the difference that does not matter, as a share of the loss: 0.05 is 5%.
    """
    place = means.cells.index(cell)
    true_means = means.means + means.draws
    better = true_means[:, [place]] - true_means > math.log1p(delta)
    shares = better.mean(axis=0)
    return Risk(float(better.any(axis=1).mean()), dict(zip(means.cells, map(float, shares), strict=True)))


def contenders(risk: Risk, cell: Cell, budget: float) -> list[Cell]:
    """Return the cells other than `cell` that may be better than it, the likeliest first.

    The others are excluded, the least likely first, as long as their chances add up to at most `budget`.
    """
    rising = sorted((other for other in risk.by_cell if other != cell), key=risk.by_cell.__getitem__)
    excluded = np.cumsum([risk.by_cell[other] for other in rising]) <= budget
    return [other for other, out in zip(rising, excluded, strict=True) if not out][::-1]
