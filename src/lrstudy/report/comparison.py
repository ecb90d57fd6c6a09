"""What the cells of a group say beside each other: the best, what ties with it, bands, brackets, sensitivities."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

import numpy as np
from scipy.special import stdtrit

from lrstudy.report.cells import Cell, Group, Training
from lrstudy.server_names import TRAIN_SECONDS

# Of the interval within which two cells count as tied.
CONFIDENCE = 0.95
# The usable band: so much less than the best validation accuracy is as good.
BAND = 0.01
# The target accuracy is the best cell's less this, rounded down to a whole percent: near the best, but no lottery.
BELOW_BEST = 0.02
# A cell that still improves is too slow if even at its end it has not got where the best was after this share.
SLOW_SHARE = 0.25
# A cell still improves if its best epoch is in this last share of its epochs…
LAST_SHARE = 0.05
# … and its validation loss fell by at least this share of itself in the last tenth: less is not worth more epochs.
LAST_TENTH, WORTH = 0.1, 0.01
# Cells whose own verdict is one of these have worse faults than slowness.
FAULTS = ("diverged", "collapsed", "unstable")


@dataclass(frozen=True)
class Difference:
    """A cell's best validation loss less the best cell's, over the `n` seeds that both have.

    Where they have none in common, `n` is the fewer of their seeds, `paired` is false, and the interval is Welch's.

    `margin` is half of the 95% confidence interval of the mean difference: Student's t with n - 1 degrees of freedom
    times the standard error, the seeds paired since they share initial weights and the order of batches (Dror et al.
    2018, https://aclanthology.org/P18-1128, on paired tests). Not a number for fewer than two seeds.
    """

    mean: float
    margin: float
    n: int
    paired: bool = True

    @property
    def is_noise(self) -> bool:
        """Whether no difference is within the interval; False where that cannot be told."""
        return self.n > 1 and abs(self.mean) <= self.margin


@dataclass(frozen=True)
class Band:
    """The learning rates from `low` to `high`, all tried ones between them included, and the number of tried ones."""

    low: float
    high: float
    points: int

    @property
    def decades(self) -> float:
        """Its width."""
        return math.log10(self.high / self.low)


@dataclass(frozen=True)
class Sensitivity:
    """Learning-rate sensitivity by Wortsman et al. 2023 (arXiv 2309.14322, section 2.2).

    The mean, over the `points` learning rates from `low` to `high`, of min(l(lr), l0) - l*: with l the final validation
    loss, l0 the first one (that of the untrained network, if it was logged), and l* the lowest l. 0 is best. Where the
    learning rates are not evenly spaced on the logarithmic axis, each has the weight of its stretch of it, which goes
    halfway to its neighbours, and beyond the ends as far. `unweighted` is the same without these weights. Not numbers
    for fewer than two learning rates.
    """

    value: float
    unweighted: float
    low: float
    high: float
    points: int


@dataclass(frozen=True, eq=False)
class OptimizerSummary:
    """An optimizer's best cell (None where all diverged), whether worse ones lie on either side, band, sensitivity."""

    optimizer: str
    best: Cell | None
    open_low: bool
    open_high: bool
    band: Band | None
    sensitivity: Sensitivity

    @property
    def bracketed(self) -> bool:
        """Whether a lower and a higher learning rate than the best were tried."""
        return self.best is not None and not (self.open_low or self.open_high)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All that is said of a group."""

    group: Group

    @cached_property
    def ranking(self) -> list[Cell]:
        """The cells that did not diverge, by the mean of their best validation losses."""
        ranked = [cell for cell in self.group.cells if not cell.diverged and math.isfinite(cell.loss.mean)]
        return sorted(ranked, key=lambda cell: cell.loss.mean)

    @property
    def best(self) -> Cell | None:
        """The cell to use."""
        return self.ranking[0] if self.ranking else None

    @property
    def runner_up(self) -> Cell | None:
        """The next best."""
        return self.ranking[1] if len(self.ranking) > 1 else None

    def difference(self, cell: Cell) -> Difference:
        """Of a cell's loss and the best one's."""
        assert self.best is not None  # noqa: S101 - asked for where there is one
        best = {one.seed: one.best_val_loss for one in self.best.trainings}
        own = {one.seed: one.best_val_loss for one in cell.trainings}
        if common := [own[seed] - best[seed] for seed in own if seed in best]:
            return paired(common)
        return unpaired(list(own.values()), list(best.values()))

    def tied(self, cell: Cell) -> bool:
        """Whether a cell is as good as the best: within seed noise of its loss and, where known, as accurate.

        The second is asked for since the noisier a cell is, the wider is its interval. For the same reason none ties
        that ranks behind one which is clearly worse.
        """
        return id(cell) in self._ties

    @cached_property
    def _ties(self) -> set[int]:
        ties = set()
        for cell in self.ranking[1:]:
            difference = self.difference(cell)
            if difference.n > 1 and not difference.is_noise:
                break
            if difference.is_noise and not cell.accuracy.mean < self.ranking[0].accuracy.mean - BAND:
                ties.add(id(cell))
        return ties

    def verdict(self, cell: Cell) -> str:
        """The cell's own verdict, or what beside the best one turns out: `too slow`."""
        if cell.diverged:
            return "diverged"
        return "too slow" if cell.verdict not in FAULTS and self.lags(cell) else cell.verdict or "not judged"

    def exceptions(self, cell: Cell) -> str:
        """The seeds whose own verdict is a fault that is not the cell's verdict, in words; empty if there is none."""
        words = Counter(one.verdict for one in cell.trainings if one.verdict in FAULTS)
        return ", ".join(f"{count} of {cell.n} {word}" for word, count in words.items() if word != self.verdict(cell))

    def lags(self, cell: Cell) -> bool:
        """Whether a cell still improves but is below the target, and not where the best was after a quarter."""
        if self.best is None or cell is self.best or not still_improves(cell) or cell.accuracy.mean >= self.target:
            return False
        early = _mean_curve(self.best.trainings, "val_loss")
        after = early[: max(2, math.ceil(SLOW_SHARE * (len(early) - 1)) + 1)]
        return bool(len(after)) and cell.loss.mean > float(np.min(after))

    def reason(self, cell: Cell) -> str:
        """The numbers that led to the verdict, in words; of several seeds those of one."""
        if self.verdict(cell) == "too slow" != cell.verdict and self.best is not None:
            missed = (
                f"; the accuracy misses the target of {self.target:.0%}" if cell.accuracy.mean < self.target else ""
            )
            return (
                f"the loss still fell when the epochs ran out, but to {cell.loss.mean:.3g} only, and {self.best.name} "
                f"was lower after {SLOW_SHARE:.0%} of them{missed}"
            )
        one = next((one for one in cell.trainings if one.verdict == cell.verdict and one.reason), None)
        if one is None:
            return ""
        return f"seed {one.seed}: {one.reason}" if cell.n > 1 else one.reason

    def kind(self, cell: Cell) -> str:
        """Which of the four curves that a learning rate makes: `very high`, `high`, `good` or `low`."""
        verdict, best = self.verdict(cell), self.of(cell.optimizer).best
        if verdict in ("diverged", "collapsed"):
            return "very high"
        if best is None or cell is best or verdict == "unstable":
            return "high" if verdict == "unstable" else "low" if verdict == "too slow" else "good"
        if verdict == "too slow":
            return "low"
        if cell.accuracy.mean >= self.target or self.tied(cell):
            return "good"
        return "low" if still_improves(cell) else "high"

    @cached_property
    def summaries(self) -> list[OptimizerSummary]:
        """Of each optimizer, by its best cell's loss."""
        made = [_summary(name, self.group.of(name)) for name in self.group.optimizers]
        return sorted(made, key=lambda one: one.best.loss.mean if one.best else math.inf)

    def of(self, optimizer: str) -> OptimizerSummary:
        """One optimizer's summary."""
        return next(one for one in self.summaries if one.optimizer == optimizer)

    @cached_property
    def target(self) -> float:
        """The accuracy that the time to a target is of; not a number where no accuracies are known."""
        best = max((cell.accuracy.mean for cell in self.ranking if cell.accuracy.n), default=math.nan)
        return math.nan if math.isnan(best) else max(0.0, math.floor(100 * (best - BELOW_BEST) + 1e-9) / 100)

    def epochs_to_target(self, training: Training) -> float:
        """The first epoch whose validation accuracy is at the target; infinite if it never is."""
        curve = training.run.curves.get("val_accuracy")
        if curve is None or math.isnan(self.target):
            return math.nan
        there = np.flatnonzero(curve.values >= self.target)
        return float(curve.steps[there[0]]) if len(there) else math.inf

    def seconds_to_target(self, training: Training) -> float:
        """Of training: the share of its seconds that its epochs up to the target are."""
        seconds = training.run.metrics.get(TRAIN_SECONDS, math.nan)
        return self.epochs_to_target(training) / training.last_epoch * seconds if training.last_epoch else math.nan


def paired(differences: Sequence[float]) -> Difference:
    """The mean of paired differences, with its margin."""
    n = len(differences)
    if not n:
        return Difference(math.nan, math.nan, 0)
    margin = math.nan
    if n > 1:
        margin = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * stdev(differences) / math.sqrt(n)
    return Difference(fmean(differences), margin, n)


def unpaired(some: Sequence[float], others: Sequence[float]) -> Difference:
    """The difference of two means, with Welch's margin (https://doi.org/10.1093/biomet/34.1-2.28)."""
    n, mean = min(len(some), len(others)), fmean(some) - fmean(others)
    if n < 2:
        return Difference(mean, math.nan, n, paired=False)
    parts = [stdev(values) ** 2 / len(values) for values in (some, others)]
    weights = [part**2 / (len(values) - 1) for part, values in zip(parts, (some, others), strict=True)]
    freedom = sum(parts) ** 2 / sum(weights) if sum(weights) else math.inf
    margin = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(sum(parts)) if sum(parts) else 0.0
    return Difference(mean, margin, n, paired=False)


def still_improves(cell: Cell) -> bool:
    """Whether most of a cell's trainings were lowest at the very end, and still fell by an amount that matters."""
    late = [one.best_epoch > (1 - LAST_SHARE) * one.last_epoch and _falls(one) for one in cell.trainings]
    return 2 * sum(late) > len(late)


def _falls(training: Training) -> bool:
    values = training.values("val_loss")
    before = float(values[-1 - max(1, round(LAST_TENTH * (len(values) - 1)))]) if len(values) > 1 else math.nan
    return before - training.best_val_loss >= WORTH * abs(before)


def steadiness(training: Training) -> float:
    """The share of the epochs that lowered the training loss; not a number where there are not two epochs."""
    values = training.values("train_loss")
    return float(np.mean(np.diff(values) < 0)) if len(values) > 1 else math.nan


def gap(training: Training) -> float:
    """The generalisation gap: validation less training loss at the last epoch, in nats."""
    return training.last("val_loss") - training.last("train_loss")


def sensitivity(cells: Sequence[Cell]) -> Sensitivity:
    """Of an optimizer's cells; several seeds of a cell count as their mean."""
    losses = [fmean(_capped(one) for one in cell.trainings) for cell in cells]
    rates = [cell.lr for cell in cells]
    value = unweighted = math.nan
    if len(losses) > 1:
        value = float(np.average(losses, weights=_stretches(rates))) - min(losses)
        unweighted = fmean(losses) - min(losses)
    return Sensitivity(value, unweighted, min(rates), max(rates), len(rates))


def _stretches(rates: Sequence[float]) -> np.ndarray:
    """How much of the logarithmic axis each of some rising learning rates stands for, float64."""
    steps = np.diff(np.log10(rates))
    stretches: np.ndarray = (np.concatenate([steps[:1], steps]) + np.concatenate([steps, steps[-1:]])) / 2
    return stretches


def _capped(training: Training) -> float:
    """The final validation loss, but at most that of the untrained network."""
    values = training.values("val_loss")
    if not len(values):
        return training.last("val_loss")
    last, first = float(values[-1]), float(values[0])
    return first if not math.isfinite(last) or training.diverged else min(last, first)


def _summary(optimizer: str, cells: Sequence[Cell]) -> OptimizerSummary:
    usable = [cell for cell in cells if not cell.diverged and math.isfinite(cell.loss.mean)]
    best = min(usable, key=lambda cell: cell.loss.mean, default=None)
    open_low = best is not None and best.lr == cells[0].lr
    open_high = best is not None and best.lr == cells[-1].lr
    return OptimizerSummary(optimizer, best, open_low, open_high, _band(cells), sensitivity(cells))


def _band(cells: Sequence[Cell]) -> Band | None:
    """The learning rates around the most accurate one that are within `BAND` of it, without a gap."""
    known = [cell for cell in cells if cell.accuracy.n]
    top = most_accurate(known)
    if top is None:
        return None
    inside = [not cell.diverged and cell.accuracy.mean >= top.accuracy.mean - BAND - 1e-12 for cell in known]
    low = high = known.index(top)
    while low > 0 and inside[low - 1]:
        low -= 1
    while high < len(known) - 1 and inside[high + 1]:
        high += 1
    return Band(known[low].lr, known[high].lr, high - low + 1)


def most_accurate(cells: Sequence[Cell]) -> Cell | None:
    """The cell with the highest validation accuracy, of those that did not diverge."""
    usable = [cell for cell in cells if cell.accuracy.n and not cell.diverged]
    return max(usable, key=lambda cell: cell.accuracy.mean, default=None)


def _mean_curve(trainings: Sequence[Training], metric: str) -> np.ndarray:
    """The mean over the seeds, float64, as far as all of them go."""
    curves = [one.values(metric) for one in trainings]
    length = min(map(len, curves), default=0)
    return np.mean([curve[:length] for curve in curves], axis=0) if length else np.empty(0)
