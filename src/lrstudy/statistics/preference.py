"""The preference among cells that tie: a matter of convenience, not of evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lrstudy.statistics.band import usable_band, width
from lrstudy.statistics.cell_means import CellMeans
from lrstudy.statistics.comparisons import at_each_look, compare
from lrstudy.statistics.outcomes import Cell, Outcomes
from lrstudy.statistics.race import MIN_SEEDS, allowed_risk, required_delta
from lrstudy.statistics.regret import regret_risk


class Reason(StrEnum):
    """The reason to prefer a cell to others that are as good."""

    BAND = "wider usable band"
    SEEDS = "steadier over seeds"


@dataclass(frozen=True)
class TiedCell:
    """A cell that is surely within the difference that does not matter of the best.

    `decades` is the width of the usable band around it, `deviation` the standard deviation of its log losses over
    seeds.
    """

    cell: Cell
    decades: float
    deviation: float


@dataclass(frozen=True)
class Preference:
    """The preferred one of several cells that tie, the best of the `others`, and why it is preferred."""

    preferred: TiedCell
    others: tuple[TiedCell, ...]
    reason: Reason


def find_preference(outcomes: Outcomes, means: CellMeans, delta: float, confidence: float) -> Preference | None:
    """Return the preference among the cells that are surely within `delta` of the best; None if there is one at most.

    The rule by which a recommendation is sure applies to each of them. The one with the widest usable band is
    preferred, since it forgives a change of the data or the network best; of equal bands, the one whose losses vary
    least over seeds.
    """
    ties = [_tied(outcomes, means, cell, delta, confidence) for cell in _sure_cells(outcomes, means, delta, confidence)]
    if len(ties) < 2:
        return None
    first, *others = sorted(ties, key=lambda tie: (-round(tie.decades, 1), tie.deviation))
    wider = round(first.decades, 1) > round(others[0].decades, 1)
    return Preference(first, tuple(others), Reason.BAND if wider else Reason.SEEDS)


def _sure_cells(outcomes: Outcomes, means: CellMeans, delta: float, confidence: float) -> Sequence[Cell]:
    """Return the cells that could be recommended as surely as the best one."""
    repeated = [cell for cell in means.cells if len(outcomes.of(cell)) >= MIN_SEEDS]
    required, allowed = required_delta(delta), allowed_risk(confidence)
    return [cell for cell in repeated if regret_risk(means, cell, required).total <= allowed]


def _tied(outcomes: Outcomes, means: CellMeans, cell: Cell, delta: float, confidence: float) -> TiedCell:
    band = usable_band(outcomes, cell, compare(means, cell, at_each_look(confidence)), delta)
    logs = [math.log(training.val_loss) for training in outcomes.of(cell)]
    return TiedCell(cell, width(band), float(np.std(logs, ddof=1)))
