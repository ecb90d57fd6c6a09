"""The four kinds of curve that a learning rate makes, and an example of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from lrstudy.answer.advice import LR_STEP
from lrstudy.formatting import format_epochs, format_loss, format_lr
from lrstudy.report.cells import Cell
from lrstudy.report.comparison import Comparison
from lrstudy.verdicts.of_seeds import FAULTS

# From the lowest learning rates to the highest.
KINDS = ("low", "good", "high", "very high")
# A curve stays near the loss of guessing if its lowest loss is above this share of it.
NEAR_GUESSING = 0.95


@dataclass(frozen=True, eq=False)
class KindExample:
    """A kind of curve with a cell that shows it; None, and where it would be seen, if no cell does."""

    kind: str
    cell: Cell | None
    sentence: str


def describe_curve(comparison: Comparison, cell: Cell) -> str:
    """Return the kind of a cell's curve with its end, so that it agrees with the verdict: `good: then overfits`."""
    kind, verdict = comparison.kind(cell), comparison.verdict(cell)
    if verdict in FAULTS:
        return f"{kind}: {verdict}"
    chance = comparison.chance_level
    if chance and cell.loss.mean > NEAR_GUESSING * chance.loss:
        return f"{kind}: stays near the loss of guessing"
    if verdict == "overfits":
        epoch = format_epochs(fmean(training.best_epoch for training in cell.trainings))
        return f"{kind}: lowest at epoch {epoch}, then overfits"
    if verdict == "too slow":
        return f"{kind}: still falling at the end"
    return kind if kind == "good" else f"{kind}: settles above the best loss"


def find_examples(comparison: Comparison) -> list[KindExample]:
    """Return an example of each kind, the highest learning rate first, if there are curves.

    The good one is the best cell. The others are of one optimizer as far as possible, which shows the most kinds.
    """
    by_optimizer = {
        summary.optimizer: _cells_by_kind(comparison, summary.optimizer) for summary in comparison.summaries
    }
    if not any(by_optimizer.values()):
        return []
    first = max(by_optimizer, key=lambda name: len(by_optimizer[name]))  # of equal ones the best
    order = [first, *(name for name in by_optimizer if name != first)]
    return [_example(comparison, kind, [by_optimizer[name] for name in order], first) for kind in reversed(KINDS)]


def _cells_by_kind(comparison: Comparison, optimizer: str) -> dict[str, list[Cell]]:
    cells: dict[str, list[Cell]] = {}
    for cell in comparison.group.of(optimizer):
        if any(len(training.values("val_loss")) > 1 for training in cell.trainings):
            cells.setdefault(comparison.kind(cell), []).append(cell)
    return cells


def _example(
    comparison: Comparison, kind: str, by_kind: Sequence[dict[str, list[Cell]]], optimizer: str
) -> KindExample:
    cells = next((found[kind] for found in by_kind if kind in found), None)
    if cells is None:
        return KindExample(kind, None, _where(comparison, kind, optimizer))
    ranks = {cell: rank for rank, cell in enumerate(comparison.ranking)}
    # Of very high ones the one that lives longest, then the one that rises most; of high and low ones the middle one.
    if kind == "good":
        of_all = (cell for found in by_kind for cell in found.get(kind, ()))
        cell = min(of_all, key=lambda cell: ranks.get(cell, math.inf))
    elif kind == "very high":
        cell = max(cells, key=_life_and_rise)
    else:
        cell = cells[len(cells) // 2]
    end = format_loss(fmean(training.last("val_loss") for training in cell.trainings))
    return KindExample(kind, cell, f"{_capital(describe_curve(comparison, cell))} ({cell.name}, ends at {end}).")


def _life_and_rise(cell: Cell) -> tuple[float, float]:
    """Return the last epoch of a cell's trainings, and their highest loss."""
    losses = [training.values("val_loss") for training in cell.trainings]
    highest = max((float(np.nanmax(of_one)) for of_one in losses if np.isfinite(of_one).any()), default=0.0)
    return max(training.last_epoch for training in cell.trainings), highest


def _where(comparison: Comparison, kind: str, optimizer: str) -> str:
    """Return a sentence on the learning rate at which a kind that no cell shows would probably be seen."""
    cells = comparison.group.of(optimizer)
    place = KINDS.index(kind)
    below = [cell for cell in cells if KINDS.index(comparison.kind(cell)) < place]
    above = [cell for cell in cells if KINDS.index(comparison.kind(cell)) > place]
    if below and above:
        lr = math.sqrt(max(cell.lr for cell in below) * min(cell.lr for cell in above))
    elif below:
        highest = max(below, key=lambda cell: cell.lr)
        lr = highest.lr * LR_STEP ** (place - KINDS.index(comparison.kind(highest)))
    else:
        lr = min(_slow_lr(comparison, cell) for cell in above)
    return (
        f"{_capital(kind)}: no training shows it; {optimizer} at about {format_lr(float(f'{lr:.1g}'))} probably would."
    )


def _slow_lr(comparison: Comparison, cell: Cell) -> float:
    """Return a learning rate below a cell's at which the epochs would not suffice for the target.

    Where steps are small, their number to the same loss is inversely proportional to the learning rate.
    """
    reached = [comparison.epochs_to_target(training) for training in cell.trainings]
    shares = [
        epochs / training.last_epoch
        for epochs, training in zip(reached, cell.trainings, strict=True)
        if math.isfinite(epochs) and training.last_epoch > 0
    ]
    return cell.lr * min(fmean(shares) if shares else 1.0, 1.0) / LR_STEP


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
