"""The usable band: an optimizer's learning rates around a good one that do as well."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lrstudy.statistics.comparisons import CellComparison
from lrstudy.statistics.outcomes import Cell, Outcomes


def usable_band(
    outcomes: Outcomes, best: Cell, comparisons: Sequence[CellComparison], delta: float
) -> tuple[Cell, ...]:
    """Return an optimizer's learning rates around its best that are not surely worse than it by more than `delta`.

    They have no gap, and rise. `comparisons` are those with `best`, the best cell of the optimizer.
    """
    usable = {best, *(comparison.cell for comparison in comparisons if comparison.low <= delta)}
    rates = sorted((cell for cell in outcomes.cells if cell.optimizer == best.optimizer), key=lambda cell: cell.lr)
    low = high = rates.index(best)
    while low > 0 and rates[low - 1] in usable:
        low -= 1
    while high < len(rates) - 1 and rates[high + 1] in usable:
        high += 1
    return tuple(rates[low : high + 1])


def width(band: Sequence[Cell]) -> float:
    """Return the width of a band in decades."""
    return math.log10(band[-1].lr / band[0].lr)
