"""Comparison of a group's cells: answer, ranking, verdicts and the time to a target accuracy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lrstudy.answer.defaults import CONFIDENCE, DELTA
from lrstudy.report.cells import Cell, Group, Training
from lrstudy.report.curve_measures import mean_curve, still_improves
from lrstudy.report.optimizer_summary import OptimizerSummary, summarize_optimizer
from lrstudy.report.outcomes import group_outcomes, outcomes_of
from lrstudy.report.runs import Run
from lrstudy.server_names import CONVERGED, TRAIN_SECONDS
from lrstudy.statistics.answer import Answer, find_answer
from lrstudy.statistics.band import usable_band
from lrstudy.statistics.cell_summary import Status
from lrstudy.statistics.comparisons import CellComparison, at_each_look, compare
from lrstudy.statistics.outcomes import Cell as StatisticsCell
from lrstudy.statistics.outcomes import Outcomes
from lrstudy.verdicts.chance_level import ChanceLevel
from lrstudy.verdicts.of_seeds import FAULTS

# The target accuracy is the best cell's less this, rounded down to a whole percent: near the best, but reachable.
BELOW_BEST = 0.02
# A cell that still improves is too slow if its loss is above the best cell's after this share of the epochs.
SLOW_SHARE = 0.25
# Classes are imbalanced if the largest one has more than this multiple of the mean share.
IMBALANCE = 2
# The verdict of a cell whose trainings have none.
NOT_JUDGED = "not judged"


@dataclass(frozen=True, eq=False)
class Comparison:
    """The cells of a group, compared with each other and with chance.

    `class_counts` are the validation images by class, empty if unknown. `delta` is the difference that does not matter,
    as a share of the loss; `confidence` that of the answer. `read_losses` returns the losses per validation image of
    runs by their ids.
    """

    group: Group
    class_counts: Mapping[str, int] = field(default_factory=dict)
    delta: float = DELTA
    confidence: float = CONFIDENCE
    read_losses: Callable[[Sequence[Run]], Mapping[str, np.ndarray]] = lambda _: {}

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
    def outcomes(self) -> Outcomes:
        """The trainings as a table for the statistics."""
        return group_outcomes(self.group)

    @cached_property
    def answer(self) -> Answer:
        """The best cell, how sure that is, and the comparisons of the others with it."""
        answer = find_answer(self.outcomes, self.delta, self.confidence)
        return answer.with_image_limit(self._outcomes_per_image)

    def _outcomes_per_image(self, named: Sequence[StatisticsCell]) -> Outcomes:
        """Return the outcomes of cells with their losses per validation image."""
        cells = [self.cell(cell) for cell in named]
        return outcomes_of(cells, self.read_losses([training.run for cell in cells for training in cell.trainings]))

    @cached_property
    def trained(self) -> list[Cell]:
        """The cells without a diverged training."""
        return [cell for cell in self.group.cells if not cell.diverged and math.isfinite(cell.loss.mean)]

    @cached_property
    def ranking(self) -> list[Cell]:
        """The cells without a diverged or collapsed training, by their mean log loss."""
        if self.answer.best is None:
            return []
        return [self.cell(cell) for cell in (self.answer.best, *(each.cell for each in self.answer.comparisons))]

    def cell(self, cell: StatisticsCell) -> Cell:
        """Return the group's cell of an optimizer and a learning rate."""
        return self._cells[cell]

    @cached_property
    def _cells(self) -> dict[StatisticsCell, Cell]:
        return {cell.key: cell for cell in self.group.cells}

    @property
    def best(self) -> Cell | None:
        """The cell to use."""
        return self.ranking[0] if self.ranking else None

    @property
    def contenders(self) -> list[Cell]:
        """The cells that may be better than the best one by more than the difference that matters."""
        return [self.cell(cell) for cell in self.answer.contenders]

    @property
    def indistinguishable(self) -> list[Cell]:
        """The cells that are not distinguishable from the best one."""
        return [cell for cell in self.ranking[1:] if self.status(cell) is Status.SIMILAR]

    def has_learned(self, cell: Cell) -> bool:
        """Return True if a cell is better than chance, or chance is not known."""
        return self.chance_level is None or self.chance_level.is_beaten_by(cell.accuracy.mean, cell.loss.mean)

    def has_converged(self, cell: Cell) -> bool:
        """Return True if a cell has converged, or its trainings have no verdicts."""
        return self.verdict(cell) in (*CONVERGED, NOT_JUDGED)

    @property
    def runner_up(self) -> Cell | None:
        """The second best cell."""
        return self.ranking[1] if len(self.ranking) > 1 else None

    def against_best(self, cell: Cell) -> CellComparison | None:
        """Return the comparison of a cell's loss with the best cell's; None for this one and for failed cells."""
        return self._against_best.get(cell.key)

    @cached_property
    def _against_best(self) -> dict[StatisticsCell, CellComparison]:
        return {comparison.cell: comparison for comparison in self.answer.comparisons}

    def status(self, cell: Cell) -> Status:
        """Return what the answer says of a cell; of the best one that it is the best so far."""
        comparison = self.against_best(cell)
        if comparison is None:
            return Status.BEST if cell is self.best else Status.FAILED
        return Status.WORSE if comparison.is_worse else Status.SIMILAR

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
        if best is None or cell is self.best:
            return "good"
        if cell is best:
            return "low" if verdict == "too slow" and summary.open_high else "good"
        if verdict != "too slow" and cell.accuracy.mean >= self.target:
            return "good"
        return "low" if cell.lr < best.lr else "high"

    @cached_property
    def summaries(self) -> list[OptimizerSummary]:
        """A summary per optimizer, by the ranks of their best cells."""
        ranks = {cell: rank for rank, cell in enumerate(self.ranking)}
        summaries = [self._summarize(name) for name in self.group.optimizers]
        return sorted(summaries, key=lambda summary: ranks[summary.best] if summary.best else math.inf)

    def _summarize(self, optimizer: str) -> OptimizerSummary:
        best = next((cell for cell in self.ranking if cell.optimizer == optimizer), None)
        return summarize_optimizer(optimizer, self.group.of(optimizer), best, self._band(best) if best else ())

    def _band(self, best: Cell) -> tuple[float, ...]:
        """Return the learning rates of the usable band around an optimizer's best cell."""
        if self.answer.means is None or self.answer.risk_is_unknown:
            return ()
        comparisons = compare(self.answer.means, best.key, at_each_look(self.answer.confidence))
        return tuple(cell.lr for cell in usable_band(self.outcomes, best.key, comparisons, self.answer.delta))

    def of(self, optimizer: str) -> OptimizerSummary:
        """Return one optimizer's summary."""
        return next(summary for summary in self.summaries if summary.optimizer == optimizer)

    @cached_property
    def target(self) -> float:
        """The accuracy for the time to a target; NaN where no accuracies are known."""
        best = max((cell.accuracy.mean for cell in self.trained if cell.accuracy.n), default=math.nan)
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
