"""The causes that were measured for the cells of a group: as a table, and as a sentence per cell that loses."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from lrstudy.formatting import format_loss
from lrstudy.report.cells import Cell, Training
from lrstudy.report.comparison import Comparison
from lrstudy.report.tables import best_first
from lrstudy.server_names import CAUSE_CURVES, CONVERGED, TRAIN_LOSS
from lrstudy.statistics.sentences import share
from lrstudy.verdicts.causes import Causes, cite, early

# A clause on a cell per verdict.
WORDS = {
    "diverged": "diverges",
    "collapsed": "falls back to guessing",
    "unstable": "is unstable",
    "too slow": "is too slow",
    "overfits": "overfits",
    "good": "trains well",
}
NUMBERS = ("lr_over_critical", "lr_over_best_step", "no_descent", "dead_units")
COLUMNS = ("optimizer", "lr", "verdict", *NUMBERS, "why")


def causes_table(comparison: Comparison) -> pd.DataFrame:
    """Return a row per cell with a training whose causes were measured, those of its first such training.

    The numbers are the largest of the first epochs, but `dead_units` that of the last measured epoch. `why` is the
    end of the sentence on why the cell loses, empty for the best.
    """
    rows = [
        (
            cell.optimizer,
            cell.lr,
            comparison.verdict(cell),
            early(causes.over_critical),
            early(causes.over_best),
            early(causes.no_descent),
            causes.dead[max(causes.dead)] if causes.dead else math.nan,
            "" if cell is comparison.best else why_it_loses(comparison, cell),
        )
        for cell in comparison.group.cells
        if (causes := _measured(comparison, cell))
    ]
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS)).astype(dict.fromkeys(NUMBERS, float))


def losers(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence per cell but the best one, in the order of the ranking: why it loses."""
    for cell in best_first(comparison):
        if cell is not comparison.best:
            yield f"{cell.name} {why_it_loses(comparison, cell)}."


def why_it_loses(comparison: Comparison, cell: Cell) -> str:
    """Return why a cell is not the best, as the end of a sentence: from its causes, else from its losses."""
    verdict, against = comparison.verdict(cell), comparison.against_best(cell)
    words = WORDS.get(verdict, f"is {verdict}")
    reason = "" if verdict == "good" else _cause(comparison, cell) or comparison.reason(cell)
    if reason:
        words += f", since {reason}" if reason.startswith("it ") else f": {reason}"
    if verdict in CONVERGED and against and against.difference > 0:
        worse = f"its validation loss, {format_loss(cell.loss.mean)}, is {share(against.difference)} above the best"
        words += f"; {worse}" if reason else f", but {worse}"
    return words


def _cause(comparison: Comparison, cell: Cell) -> str:
    """Return a clause on the measured cause of a cell's verdict; empty if there is none."""
    level = comparison.chance_level
    causes = _measured(comparison, cell)
    return cite(comparison.verdict(cell), causes, level.loss if level else math.nan) if causes else ""


def _measured(comparison: Comparison, cell: Cell) -> Causes | None:
    """Return the causes of a cell's first training that has some, preferably one with the cell's own verdict."""
    verdict = comparison.verdict(cell)
    measured = [training for training in cell.trainings if any(name in training.run.curves for name in CAUSE_CURVES)]
    typical = min(measured, key=lambda training: training.verdict != verdict, default=None)
    return _causes(typical) if typical else None


def _causes(training: Training) -> Causes:
    curves = {
        name: {int(step): float(value) for step, value in zip(curve.steps, curve.values, strict=True)}
        for name, curve in training.run.curves.items()
        if name in (*CAUSE_CURVES, TRAIN_LOSS)
    }
    return Causes.of_curves(curves)
