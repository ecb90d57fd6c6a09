"""The outcomes of a group's trainings, as the statistics take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count

import numpy as np

from lrstudy.report.cells import Cell, Group, Training
from lrstudy.statistics.outcomes import Outcome, Outcomes


def group_outcomes(group: Group) -> Outcomes:
    """Return the outcomes of the trainings of a group."""
    return outcomes_of(group.cells, {})


def outcomes_of(cells: Iterable[Cell], losses: Mapping[str, np.ndarray]) -> Outcomes:
    """Return the outcomes of the trainings of cells.

    Args:
        cells: of a group.
        losses: per validation image, by the ids of the runs for which they are known.
    """
    pairs = [(cell, training) for cell in cells for training in cell.trainings]
    numbers = number_seeds(training.seed for _, training in pairs)
    return Outcomes(
        _outcome(cell, training, numbers[training.seed], losses.get(training.run.run_id)) for cell, training in pairs
    )


def _outcome(cell: Cell, training: Training, seed: int, losses: np.ndarray | None) -> Outcome:
    return Outcome(
        cell.optimizer,
        cell.lr,
        seed,
        training.best_val_loss,
        training.best_val_accuracy,
        training.test_accuracy,
        "diverged" if training.diverged else training.verdict,
        losses,
    )


def number_seeds(seeds: Iterable[str]) -> dict[str, int]:
    """Return a number per seed: that which it is, or one that no other seed has."""
    names = list(dict.fromkeys(seeds))
    numbers = {name: int(name) for name in names if name.isdecimal()}
    unused = count(max(numbers.values(), default=-1) + 1)
    return {name: numbers[name] if name in numbers else next(unused) for name in names}
