"""Summary of each cell: its trainings, its loss, and the comparison with the best one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lrstudy.statistics.answer import Answer
from lrstudy.statistics.comparisons import CellComparison
from lrstudy.statistics.outcomes import Cell, Outcomes


class Status(StrEnum):
    """The status of a cell in an answer."""

    RECOMMENDED = "recommended"
    BEST = "best so far"
    WORSE = "sure worse"
    SIMILAR = "not distinguishable"
    FAILED = "failed"


@dataclass(frozen=True)
class CellSummary:
    """A cell's trainings and its comparison with the best cell.

    `rank` is 1 for the best cell, 0 for cells with a failed training. `seeds` is the number of its trainings, with the
    `failures` among them. `val_loss` is the geometric mean of the others' losses, in nats. `difference` is the loss
    relative to the best cell's, as a share, within the interval `difference_low` to `difference_high`; NaN for the best
    cell and for those with a failed training. It is from -1 to infinite where one seed each leaves it unknown, and from
    0 to infinite for a worse cell with too few seeds to say by how much.
    """

    rank: int
    optimizer: str
    lr: float
    seeds: int
    failures: int
    val_loss: float
    status: Status
    difference: float = math.nan
    difference_low: float = math.nan
    difference_high: float = math.nan


def summarize_cells(outcomes: Outcomes, answer: Answer) -> list[CellSummary]:
    """Return a summary per cell: the best one, the others from the lowest loss to the highest, and the failed ones."""
    best = [_summary(outcomes, answer.best, 1, _status_of_best(answer))] if answer.best else []
    compared = [_compared(outcomes, comparison, rank) for rank, comparison in enumerate(answer.comparisons, 2)]
    failed = [_summary(outcomes, cell, 0, Status.FAILED) for cell in answer.failed]
    return [*best, *compared, *failed]


def _status_of_best(answer: Answer) -> Status:
    return Status.RECOMMENDED if answer.is_sure else Status.BEST


def _compared(outcomes: Outcomes, comparison: CellComparison, rank: int) -> CellSummary:
    status = Status.WORSE if comparison.is_worse else Status.SIMILAR
    return _summary(outcomes, comparison.cell, rank, status, comparison.difference, *comparison.interval)


def _summary(outcomes: Outcomes, cell: Cell, rank: int, status: Status, *interval: float) -> CellSummary:
    trainings = outcomes.of(cell)
    logs = [math.log(training.val_loss) for training in trainings if not training.failed]
    loss = math.exp(float(np.mean(logs))) if logs else math.nan
    return CellSummary(rank, *cell, len(trainings), outcomes.failures(cell), loss, status, *interval)
