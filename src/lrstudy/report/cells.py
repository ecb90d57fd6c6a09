"""Records of comparable trainings: a training per seed, a cell per optimizer and learning rate, a group of cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

import numpy as np

from lrstudy.formatting import format_with_deviation
from lrstudy.report.run_settings import number
from lrstudy.report.runs import Curve, Run
from lrstudy.server_names import (
    BEST_EPOCH,
    BEST_VAL_ACCURACY,
    BEST_VAL_BALANCED_ACCURACY,
    BEST_VAL_LOSS,
    DESCRIPTION,
    FINAL,
    KIND,
    TEST_ACCURACY,
    TRAINING,
    VERDICT,
)
from lrstudy.statistics.outcomes import Cell as StatisticsCell
from lrstudy.verdicts.of_seeds import most_common_verdict


@dataclass(frozen=True)
class Spread:
    """A mean over `n` seeds and the sample standard deviation, which is NaN for one seed."""

    mean: float
    deviation: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of `values` without their NaNs; infinite values make the mean infinite."""
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return cls(math.nan, math.nan, 0)
        finite = all(map(math.isfinite, known))
        mean = fmean(known) if finite else max(known, key=abs)
        return cls(mean, stdev(known) if finite and len(known) > 1 else math.nan, len(known))


def format_spread(spread: Spread, show: Callable[[float], str]) -> str:
    """Return a mean with its standard deviation, `0.089 ± 0.013`."""
    return format_with_deviation(spread.mean, spread.deviation, show)


@dataclass(frozen=True, eq=False)
class Training:
    """A finished run with a validation loss. Losses are in nats, NaN where the run has none."""

    run: Run
    seed: str

    @property
    def verdict(self) -> str:
        """The verdict that was logged at the end of the training; empty if none was."""
        return self.run.tags.get(VERDICT, "")

    @property
    def reason(self) -> str:
        """The numbers that led to the verdict, as a phrase; empty if none are on the server."""
        first_line = self.run.tags.get(DESCRIPTION, "").partition("\n")[0]
        return first_line.partition("**: ")[2].rstrip(".")

    @cached_property
    def diverged(self) -> bool:
        """True if a loss is not finite or the training's own verdict is `diverged`."""
        losses = [self.values(name) for name in ("train_loss", "val_loss")]
        return self.verdict == "diverged" or not all(np.isfinite(values).all() for values in losses)

    def values(self, metric: str) -> np.ndarray:
        """Return the metric's values, float64, epoch by epoch; an empty array if there are none."""
        curve = self.run.curves.get(metric)
        return np.empty(0) if curve is None else curve.values

    @cached_property
    def best_epoch(self) -> float:
        """The epoch with the lowest validation loss."""
        curve = self.run.curves.get("val_loss")
        if curve is None or not np.isfinite(curve.values).any():
            return self.run.metrics.get(BEST_EPOCH, math.nan)
        return float(curve.steps[int(np.nanargmin(curve.values))])

    @cached_property
    def best_val_loss(self) -> float:
        """The lowest validation loss; infinite if none was finite."""
        values = self.values("val_loss")
        if not len(values):
            return self.run.metrics.get(BEST_VAL_LOSS, math.inf)
        finite = values[np.isfinite(values)]
        return float(finite.min()) if len(finite) else math.inf

    @property
    def best_val_accuracy(self) -> float:
        """The validation accuracy at the best epoch."""
        at_best = _value_at(self.run.curves.get("val_accuracy"), self.best_epoch)
        return self.run.metrics.get(BEST_VAL_ACCURACY, math.nan) if math.isnan(at_best) else at_best

    @property
    def best_val_balanced_accuracy(self) -> float:
        """The balanced validation accuracy at the best epoch; NaN if it was not logged."""
        return self.run.metrics.get(BEST_VAL_BALANCED_ACCURACY, math.nan)

    @property
    def test_accuracy(self) -> float:
        """The accuracy on the held-out test split."""
        return self.run.metrics.get(TEST_ACCURACY, math.nan)

    def last(self, metric: str) -> float:
        """Return the metric's value at the last epoch; infinity for a loss that is NaN there."""
        values = self.values(metric)
        if not len(values):
            return self.run.metrics.get(f"{FINAL}{metric}", math.nan)
        return math.inf if metric.endswith("loss") and math.isnan(values[-1]) else float(values[-1])

    @property
    def untrained_loss(self) -> float:
        """The validation loss before the first epoch; NaN where the first logged value may be from after it.

        Programs that count their epochs from 0 log the first epoch's loss at step 0.
        """
        epochs = number(self.run.params.get("epochs", ""))
        if self.run.tags.get(KIND) == TRAINING or self.last_epoch >= epochs:
            return _value_at(self.run.curves.get("val_loss"), 0)
        return math.nan

    @property
    def last_epoch(self) -> float:
        """The last epoch that was logged."""
        curve = self.run.curves.get("val_loss")
        return math.nan if curve is None else float(curve.steps[-1])


@dataclass(frozen=True, eq=False)
class Cell:
    """An optimizer with a learning rate and one training per seed; `typed` is the learning rate as it was logged."""

    optimizer: str
    lr: float
    typed: str
    trainings: tuple[Training, ...]

    @property
    def key(self) -> StatisticsCell:
        """The cell as the statistics name it."""
        return StatisticsCell(self.optimizer, self.lr)

    @property
    def name(self) -> str:
        """The optimizer and the learning rate, `adam 0.001`."""
        return f"{self.optimizer} {self.lr:g}"

    @property
    def n(self) -> int:
        """The number of seeds."""
        return len(self.trainings)

    @cached_property
    def diverged(self) -> int:
        """The number of trainings that diverged."""
        return sum(training.diverged for training in self.trainings)

    @cached_property
    def loss(self) -> Spread:
        """The spread of the best validation loss."""
        return Spread.of(training.best_val_loss for training in self.trainings)

    @cached_property
    def accuracy(self) -> Spread:
        """The spread of the validation accuracy at the best epoch."""
        return Spread.of(training.best_val_accuracy for training in self.trainings)

    @cached_property
    def balanced_accuracy(self) -> Spread:
        """The spread of the balanced validation accuracy at the best epoch."""
        return Spread.of(training.best_val_balanced_accuracy for training in self.trainings)

    @cached_property
    def verdict(self) -> str:
        """The trainings' most common verdict; the worst of equally common ones."""
        return most_common_verdict(training.verdict for training in self.trainings)


def test_accuracy(cell: Cell) -> Spread:
    """Return the spread of a cell's accuracies on the held-out test split."""
    return Spread.of(training.test_accuracy for training in cell.trainings)


@dataclass(frozen=True, eq=False)
class Group:
    """Trainings that can be compared: same data, split, network, epochs and all else but the axes of the grid.

    `cells` are in the order of optimizers and rising learning rates. `unranked` are the runs in no cell, by the reason:
    one of MLflow's statuses in lower case, `pruned`, `repeated`, or `no validation loss`.
    """

    settings: Mapping[str, str]
    cells: tuple[Cell, ...]
    unranked: Mapping[str, tuple[Run, ...]]

    @property
    def runs(self) -> list[Run]:
        """All runs, the ranked ones first."""
        ranked = [training.run for cell in self.cells for training in cell.trainings]
        return [*ranked, *(run for runs in self.unranked.values() for run in runs)]

    @property
    def finished(self) -> list[Run]:
        """The finished runs, pruned and repeated ones included."""
        return [run for run in self.runs if run.status == "FINISHED"]

    @property
    def optimizers(self) -> list[str]:
        """The optimizers that have cells, in order."""
        return list(dict.fromkeys(cell.optimizer for cell in self.cells))

    def of(self, optimizer: str) -> list[Cell]:
        """Return an optimizer's cells by rising learning rate."""
        return [cell for cell in self.cells if cell.optimizer == optimizer]

    @property
    def family(self) -> tuple[tuple[str, str], ...]:
        """The settings other than the network's shape: equal for groups that differ in the shape alone."""
        return tuple(sorted((name, value) for name, value in self.settings.items() if name != "hidden"))


def _value_at(curve: Curve | None, epoch: float) -> float:
    """Return a curve's value at an epoch; NaN if it has none there."""
    if curve is None or math.isnan(epoch):
        return math.nan
    indices = np.flatnonzero(curve.steps == epoch)
    return float(curve.values[indices[0]]) if len(indices) else math.nan
