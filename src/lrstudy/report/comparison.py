"""Comparison of a group's cells: ranking, ties, verdicts and the time to a target accuracy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lrstudy.chance_level import ChanceLevel
from lrstudy.report.cells import Cell, Group, Training
from lrstudy.report.curve_measures import mean_curve, still_improves
from lrstudy.report.differences import Difference, difference
from lrstudy.report.optimizer_summary import BAND, OptimizerSummary, summarize_optimizer
from lrstudy.server_names import TRAIN_SECONDS

# The target accuracy is the best cell's less this, rounded down to a whole percent: near the best, but reachable.
BELOW_BEST = 0.02
# A cell that still improves is too slow if its loss is above the best cell's after this share of the epochs.
SLOW_SHARE = 0.25
# Cells with one of these verdicts have worse faults than slowness.
FAULTS = ("diverged", "collapsed", "unstable")
# Classes are imbalanced if the largest one has more than this multiple of the mean share.
IMBALANCE = 2
# The verdict of a cell whose trainings have none.
NOT_JUDGED = "not judged"


@dataclass(frozen=True, eq=False)
class Comparison:
    """The cells of a group, compared with each other and with chance.

    `class_counts` are the validation images by class, empty if unknown.
    """

    group: Group
    class_counts: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def chance_level(self) -> ChanceLevel | None:
        """The scores of a guess that ignores the image, if they are known."""
        return ChanceLevel.from_counts(self.class_counts.values()) if any(self.class_counts.values()) else None

    @cached_property
    def is_imbalanced(self) -> bool:
        """True if the largest class has more than twice the mean share: accuracy then says little of the others."""
        counts = self.class_counts.values()
        return bool(counts) and max(counts) * len(counts) > IMBALANCE * sum(counts)

    @cached_property
    def ranking(self) -> list[Cell]:
        """The cells that did not diverge, by the mean of their best validation losses."""
        ranked = [cell for cell in self.group.cells if not cell.diverged and math.isfinite(cell.loss.mean)]
        return sorted(ranked, key=lambda cell: cell.loss.mean)

    @property
    def best(self) -> Cell | None:
        """The cell to use."""
        return self.ranking[0] if self.ranking else None

    def has_learned(self, cell: Cell) -> bool:
        """Return True if a cell is better than chance, or chance is not known."""
        return self.chance_level is None or self.chance_level.is_beaten_by(cell.accuracy.mean, cell.loss.mean)

    @property
    def runner_up(self) -> Cell | None:
        """The second best cell."""
        return self.ranking[1] if len(self.ranking) > 1 else None

    def difference(self, cell: Cell) -> Difference:
        """Return the difference of a cell's loss to the best cell's; only where there is a best cell."""
        if cell not in self._differences:
            self._differences[cell] = difference(cell, self.ranking[0])
        return self._differences[cell]

    @cached_property
    def _differences(self) -> dict[Cell, Difference]:
        return {}

    def tied(self, cell: Cell) -> bool:
        """Return True if a cell is as good as the best: within seed noise of its loss and, where known, as accurate.

        The accuracy counts since a noisier cell has a wider interval. For the same reason, a cell that ranks behind a
        clearly worse one is not tied.
        """
        return cell in self._ties

    @cached_property
    def _ties(self) -> set[Cell]:
        ties = set()
        for cell in self.ranking[1:]:
            difference = self.difference(cell)
            if difference.n > 1 and not difference.is_noise:
                break
            if difference.is_noise and not cell.accuracy.mean < self.ranking[0].accuracy.mean - BAND:
                ties.add(cell)
        return ties

    def verdict(self, cell: Cell) -> str:
        """Return the cell's own verdict, or `too slow` if the comparison with the best cell shows that."""
        if cell.diverged:
            return "diverged"
        return "too slow" if cell.verdict not in FAULTS and self.lags(cell) else cell.verdict or NOT_JUDGED

    def exceptions(self, cell: Cell) -> str:
        """Return the seeds with a fault that is not the cell's verdict, `1 of 3 collapsed`; an empty text if none."""
        counts = Counter(training.verdict for training in cell.trainings if training.verdict in FAULTS)
        own = self.verdict(cell)
        return ", ".join(f"{count} of {cell.n} {verdict}" for verdict, count in counts.items() if verdict != own)

    def lags(self, cell: Cell) -> bool:
        """Return True if a cell still improves, misses the target, and the best cell was lower after a quarter."""
        if self.best is None or cell is self.best or not still_improves(cell) or cell.accuracy.mean >= self.target:
            return False
        curve = mean_curve(self.best.trainings, "val_loss")
        early = curve[: max(2, math.ceil(SLOW_SHARE * (len(curve) - 1)) + 1)]
        return bool(len(early)) and cell.loss.mean > float(np.min(early))

    def reason(self, cell: Cell) -> str:
        """Return the numbers that led to the verdict, as a phrase; of several seeds those of one."""
        if self.verdict(cell) == "too slow" != cell.verdict and self.best is not None:
            misses = cell.accuracy.mean < self.target
            missed = f"; the accuracy misses the target of {self.target:.0%}" if misses else ""
            return (
                f"the loss was still falling at the last epoch, but only to {cell.loss.mean:.3g}; {self.best.name} "
                f"was lower after {SLOW_SHARE:.0%} of the epochs{missed}"
            )
        same_verdict = (training for training in cell.trainings if training.verdict == cell.verdict and training.reason)
        training = next(same_verdict, None)
        if training is None:
            return ""
        return f"seed {training.seed}: {training.reason}" if cell.n > 1 else training.reason

    def kind(self, cell: Cell) -> str:
        """Return the kind of curve that the learning rate makes: `very high`, `high`, `good` or `low`.

        A learning rate above its optimizer's best is never low, nor is that of the best cell of all.
        """
        by_verdict = {"diverged": "very high", "collapsed": "very high", "unstable": "high"}
        verdict, summary = self.verdict(cell), self.of(cell.optimizer)
        if verdict in by_verdict:
            return by_verdict[verdict]
        best = summary.best
        if best is None or cell is self.best or self.tied(cell):
            return "good"
        if cell is best:
            return "low" if verdict == "too slow" and summary.open_high else "good"
        if verdict != "too slow" and cell.accuracy.mean >= self.target:
            return "good"
        return "low" if cell.lr < best.lr else "high"

    @cached_property
    def summaries(self) -> list[OptimizerSummary]:
        """A summary per optimizer, by its best cell's loss."""
        summaries = [summarize_optimizer(name, self.group.of(name)) for name in self.group.optimizers]
        return sorted(summaries, key=lambda summary: summary.best.loss.mean if summary.best else math.inf)

    def of(self, optimizer: str) -> OptimizerSummary:
        """Return one optimizer's summary."""
        return next(summary for summary in self.summaries if summary.optimizer == optimizer)

    @cached_property
    def target(self) -> float:
        """The accuracy for the time to a target; NaN where no accuracies are known."""
        best = max((cell.accuracy.mean for cell in self.ranking if cell.accuracy.n), default=math.nan)
        return math.nan if math.isnan(best) else max(0.0, math.floor(100 * (best - BELOW_BEST) + 1e-9) / 100)

    def epochs_to_target(self, training: Training) -> float:
        """Return the first epoch whose validation accuracy reaches the target; infinity if none does."""
        curve = training.run.curves.get("val_accuracy")
        if curve is None or math.isnan(self.target):
            return math.nan
        reached = np.flatnonzero(curve.values >= self.target)
        return float(curve.steps[reached[0]]) if len(reached) else math.inf

    def seconds_to_target(self, training: Training) -> float:
        """Return the training seconds until the target accuracy: the same share of all seconds as of all epochs."""
        seconds = training.run.metrics.get(TRAIN_SECONDS, math.nan)
        return self.epochs_to_target(training) / training.last_epoch * seconds if training.last_epoch else math.nan
