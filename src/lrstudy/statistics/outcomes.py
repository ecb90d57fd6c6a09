"""Outcomes of trainings: a table with one row per optimizer, learning rate and seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lrstudy.formatting import format_lr

# Verdicts of trainings that failed: their losses are not those of a trained network.
FAILED = ("diverged", "collapsed")


class Cell(NamedTuple):
    """An optimizer with a learning rate."""

    optimizer: str
    lr: float

    @property
    def name(self) -> str:
        """The optimizer and the learning rate, `adam 0.001`."""
        return f"{self.optimizer} {format_lr(self.lr)}"


@dataclass(frozen=True, eq=False)
class Outcome:
    """A training that has ended.

    `val_loss` is its lowest validation loss, in nats; `val_accuracy` and `test_accuracy` are those at the same epoch,
    0 to 1, NaN if unknown; `val_losses` the losses per validation image at that epoch, float `(images,)`, None if
    unknown.
    """

    optimizer: str
    lr: float
    seed: int
    val_loss: float
    val_accuracy: float = math.nan
    test_accuracy: float = math.nan
    verdict: str = ""
    val_losses: np.ndarray | None = field(default=None, repr=False)

    @property
    def cell(self) -> Cell:
        """The optimizer with the learning rate."""
        return Cell(self.optimizer, self.lr)

    @property
    def failed(self) -> bool:
        """True if the training diverged or collapsed, or its loss is not a positive, finite number."""
        return self.verdict in FAILED or not (math.isfinite(self.val_loss) and self.val_loss > 0)


class Outcomes:
    """Trainings that differ in optimizer, learning rate and seed alone, sorted by these.

    Args:
        rows: the trainings, at most one per cell and seed.
    """

    def __init__(self, rows: Iterable[Outcome]) -> None:
        self.rows: Sequence[Outcome] = tuple(sorted(rows, key=lambda row: (*row.cell, row.seed)))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells, sorted."""
        return tuple(dict.fromkeys(row.cell for row in self.rows))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, sorted."""
        return tuple(sorted({row.seed for row in self.rows}))

    @cached_property
    def log_losses(self) -> np.ndarray:
        """The logarithms of the validation losses, float64 `(cells, seeds)`; NaN for missing and failed trainings."""
        losses = np.full((len(self.cells), len(self.seeds)), math.nan)
        for row in self.rows:
            if not row.failed:
                losses[self.cells.index(row.cell), self.seeds.index(row.seed)] = math.log(row.val_loss)
        return losses

    def of(self, cell: Cell) -> list[Outcome]:
        """Return the trainings of a cell."""
        return self._by_cell.get(cell, [])

    @cached_property
    def _by_cell(self) -> dict[Cell, list[Outcome]]:
        by_cell: dict[Cell, list[Outcome]] = {}
        for row in self.rows:
            by_cell.setdefault(row.cell, []).append(row)
        return by_cell

    def failures(self, cell: Cell) -> int:
        """Return the number of a cell's trainings that failed."""
        return sum(row.failed for row in self.of(cell))

    @cached_property
    def eligible(self) -> tuple[Cell, ...]:
        """The cells that can be recommended: none of their trainings failed."""
        return tuple(cell for cell in self.cells if not self.failures(cell))
