"""The answer of a study: the cell to use, how sure that is, and the trainings that would settle an open answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lrstudy.answer.defaults import CONFIDENCE, DELTA, MAX_CONFIDENCE
from lrstudy.statistics.band import usable_band
from lrstudy.statistics.cell_means import CellMeans, estimate_means
from lrstudy.statistics.comparisons import CellComparison, at_each_look, compare
from lrstudy.statistics.image_limit import ImageLimit, image_limit
from lrstudy.statistics.missing_seeds import missing_seeds
from lrstudy.statistics.outcomes import Cell, Outcomes
from lrstudy.statistics.preference import Preference, find_preference
from lrstudy.statistics.race import MIN_SEEDS, Standing, allowed_risk, standing_of
from lrstudy.statistics.regret import regret_risk
from lrstudy.statistics.winner import Estimate, estimate_winner

# An estimate of more missing trainings than this is too rough to act on.
MAX_MISSING_TRAININGS = 2000


class Certainty(StrEnum):
    """The certainty of a recommendation.

    `SURE`: no other cell is better. `WITHIN`: none is better by more than the share that does not matter, but some
    are not distinguishable from the recommended one. `OPEN`: one may be better by more.
    """

    SURE = "sure"
    WITHIN = "within delta"
    OPEN = "open"


@dataclass(frozen=True)
class Answer:
    """The answer from a table of trainings.

    `best` is the recommended cell, None if each cell has a failed training. `risk` is the chance that another cell is
    better by more than the `required_delta`, NaN where one seed each leaves it unknown. `comparisons` are those of all
    other cells without a failed training, from the lowest loss to the highest. `contenders` may be better by more than
    that, the likeliest first, if the answer is open. `failed` are the cells with failed trainings. `band` are the
    learning rates of the best cell's optimizer, next to each other, that are not surely worse than it by more than
    `delta`; empty where one seed each leaves it unknown.
    `missing_seeds` is about how many further seeds of the best cell and of each contender would settle an open answer;
    infinite if unknown. `image_limit` is known if the losses per image are. `preference` is among cells that tie, if
    several are surely within `delta` of the best. `means` are those of the cells without a failed training.
    """

    best: Cell | None
    certainty: Certainty
    delta: float
    confidence: float
    risk: float = math.nan
    comparisons: tuple[CellComparison, ...] = ()
    contenders: tuple[Cell, ...] = ()
    failed: tuple[Cell, ...] = ()
    band: tuple[Cell, ...] = ()
    missing_seeds: float = math.inf
    winner: Estimate | None = None
    image_limit: ImageLimit | None = None
    preference: Preference | None = None
    means: CellMeans | None = field(default=None, compare=False, repr=False)

    @property
    def rival(self) -> Cell | None:
        """The closest cell to the best one: the likeliest contender, or the first that is not surely worse."""
        near = [*self.contenders, *(comparison.cell for comparison in self.indistinguishable)]
        return near[0] if near else None

    def with_image_limit(self, outcomes_of: Callable[[Sequence[Cell]], Outcomes]) -> Answer:
        """Return the answer with the limit that the images set, if it can be known.

        Args:
            outcomes_of: returns the trainings of cells with their losses per image; called only if these are needed.
        """
        if self.best is None or self.rival is None or self.risk_is_unknown:
            return self
        outcomes = outcomes_of([self.best, self.rival])
        limit = image_limit(outcomes, self.best, self.rival, self.delta, self.confidence)
        return replace(self, image_limit=limit)

    @property
    def missing_trainings(self) -> float:
        """About how many further trainings would settle an open answer; infinite if it is not known."""
        return self.missing_seeds * (1 + len(self.contenders))

    @property
    def risk_is_unknown(self) -> bool:
        """True if no cell has two seeds, so that every difference may be chance."""
        return math.isnan(self.risk)

    @property
    def is_sure(self) -> bool:
        """True if no other cell is better by more than `delta`, with the stated confidence."""
        return self.certainty is not Certainty.OPEN

    @property
    def worse(self) -> tuple[CellComparison, ...]:
        """The cells that are surely worse than the best one."""
        return tuple(comparison for comparison in self.comparisons if comparison.is_worse)

    @property
    def indistinguishable(self) -> tuple[CellComparison, ...]:
        """The cells that are not distinguishable from the best one."""
        return tuple(comparison for comparison in self.comparisons if not comparison.is_worse)


def find_answer(outcomes: Outcomes, delta: float = DELTA, confidence: float = CONFIDENCE) -> Answer:
    """Return the answer of a study.

    Args:
        outcomes: of its trainings.
        delta: the difference that does not matter, as a share of the loss; more than 0.
        confidence: that a sure recommendation is within `delta` of the best, and that all intervals hold; at most
            0.99, since the simulated distributions have a few thousand draws.
    """
    if not (delta > 0 and 0 < confidence <= MAX_CONFIDENCE):
        raise ValueError(
            f"{delta=} must be greater than 0, and {confidence=} greater than 0 and at most {MAX_CONFIDENCE}."
        )
    failed = tuple(cell for cell in outcomes.cells if outcomes.failures(cell))
    if not outcomes.eligible:
        return Answer(None, Certainty.OPEN, delta, confidence, failed=failed)
    means = estimate_means(outcomes, outcomes.eligible)
    comparisons = _compare(outcomes, means, confidence)
    if not means.variances.df:
        others = tuple(cell for cell in means.cells if cell != means.best)
        return Answer(
            means.best, Certainty.OPEN, delta, confidence, math.nan, comparisons, others, failed=failed, means=means
        )
    state = standing_of(outcomes, means, delta, confidence)
    missing = 0 if state.sure else missing_seeds(outcomes, means, state, delta, confidence)
    return Answer(
        means.best,
        _certainty(means, state, confidence),
        delta,
        confidence,
        state.risk,
        comparisons,
        () if state.sure else state.contenders,
        failed,
        usable_band(outcomes, means.best, comparisons, delta),
        missing,
        estimate_winner(outcomes, means, confidence),
        preference=find_preference(outcomes, means, delta, confidence) if state.sure else None,
        means=means,
    )


def _compare(outcomes: Outcomes, means: CellMeans, confidence: float) -> tuple[CellComparison, ...]:
    """Compare each cell with the best one, from the lowest loss to the highest.

    A cell with few seeds is compared by the variance of the others. That shows that it is worse, but not by how much:
    worse cells often vary more (`benchmarks/decide.py`: in 40 decisions on each of four pools all other intervals hold
    in 39 or 40, those of worse cells with one or two seeds in 27 to 38).
    """
    comparisons = compare(means, means.best, at_each_look(confidence))
    return tuple(
        replace(comparison, size_is_known=len(outcomes.of(comparison.cell)) >= MIN_SEEDS)
        for comparison in sorted(comparisons, key=lambda comparison: comparison.difference)
    )


def _certainty(means: CellMeans, state: Standing, confidence: float) -> Certainty:
    if not state.sure:
        return Certainty.OPEN
    is_best = regret_risk(means, means.best, 0.0).total <= allowed_risk(confidence)
    return Certainty.SURE if is_best else Certainty.WITHIN
