"""Replays of decisions on trainings that are known beforehand."""

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lrstudy.statistics import Answer, find_answer
from lrstudy.statistics.outcomes import Cell, Outcome, Outcomes
from lrstudy.statistics.race import MIN_SEEDS, next_training
from trained_pools import Pool

CONFIDENCE = 0.95
MAX_TRAININGS = 300
# As in a decision: training n is chosen by the results of those up to n - 4.
WINDOW = 4


@dataclass(frozen=True, eq=False)
class Replay:
    """A pool whose seeds are halved: trainings are drawn from one half, and the other is the truth.

    `columns` are the seeds of the trainings, int `(draws,)`; they are drawn from those of one half, `drawn_from`, while
    the other half is `kept`.
    """

    pool: Pool
    number: int
    columns: np.ndarray
    drawn_from: np.ndarray
    kept: np.ndarray

    @cached_property
    def sampled(self) -> np.ndarray:
        """The mean log losses of the half that is drawn from, float64 `(cells,)`."""
        means: np.ndarray = self.pool.log_losses[:, self.drawn_from].mean(axis=1)
        return means

    @cached_property
    def truth(self) -> np.ndarray:
        """The mean log losses of the other half, float64 `(cells,)`."""
        means: np.ndarray = self.pool.log_losses[:, self.kept].mean(axis=1)
        return means

    def regret(self, place: int) -> float:
        """Return how much higher than the lowest the true log loss of a cell is."""
        return float(self.truth[place] - self.truth.min())

    def trainings(self) -> dict[Cell, list[Outcome]]:
        """Return the drawn trainings of each cell, in the order of their seeds."""
        losses, failed = np.exp(self.pool.log_losses[:, self.columns]), self.pool.failed[:, self.columns]
        return {
            cell: [
                Outcome(*cell, seed, float(loss), verdict="diverged" if fails else "")
                for seed, (loss, fails) in enumerate(zip(losses[place], failed[place], strict=True))
            ]
            for place, cell in enumerate(self.pool.cells)
        }


def replay_of(pool: Pool, number: int) -> Replay:
    """Return the replay of a pool with this number; the same for all procedures."""
    rng = np.random.default_rng(number)
    seeds = rng.permutation(pool.log_losses.shape[1])
    half = len(seeds) // 2
    columns = seeds[:half][rng.integers(half, size=MAX_TRAININGS)]
    return Replay(pool, number, columns, seeds[:half], seeds[half:])


class Coverage(NamedTuple):
    """The coverage of the intervals of all differences to the recommended cell: whether they hold together.

    `all_cells`: of all cells, for the means of the half that was drawn from; `raced`: of those with three seeds;
    `other_half`: of these, for the means of the other half, which differ by chance as well.
    """

    all_cells: bool
    raced: bool
    other_half: bool


@dataclass(frozen=True)
class Decision:
    """The outcome of a decision.

    `regret` is in log units, infinite without a recommendation; `own_regret` is that by the means of the half that the
    trainings are drawn from.
    """

    regret: float
    own_regret: float
    sure: bool
    trainings: int
    epochs: int
    covered: Coverage


def decide(replay: Replay, delta: float) -> Decision:
    """Replay a decision."""
    cells = replay.pool.cells
    outcomes = race(replay.trainings(), replay.pool.starts, delta)
    answer = find_answer(outcomes, delta, CONFIDENCE)
    regret = own_regret = math.inf
    if answer.best is not None:
        place = cells.index(answer.best)
        regret, own_regret = replay.regret(place), float(replay.sampled[place] - replay.sampled.min())
    epochs = sum(replay.pool.epochs[cells.index(row.cell), replay.columns[row.seed]] for row in outcomes.rows)
    raced = {cell for cell in outcomes.cells if len(outcomes.of(cell)) >= MIN_SEEDS}
    covered = Coverage(
        _covers(answer, replay.pool, replay.drawn_from, outcomes.cells),
        _covers(answer, replay.pool, replay.drawn_from, raced),
        _covers(answer, replay.pool, replay.kept, raced),
    )
    return Decision(regret, own_regret, answer.is_sure, len(outcomes.rows), int(epochs), covered)


def race(trainings: Mapping[Cell, Sequence[Outcome]], starts: Sequence[Cell], delta: float) -> Outcomes:
    """Return the outcomes of the trainings that a decision asks for, until it is sure or too many are spent.

    Args:
        trainings: of each cell, in the order of their seeds.
        starts: a cell per optimizer to begin with.
        delta: the difference that does not matter, as a share of the loss.
    """
    rows: list[Outcome] = []
    counts = Counter[Cell]()
    while len(rows) < MAX_TRAININGS:
        known = max(len(rows) - WINDOW + 1, 0)
        cell = _next(rows, known, starts, delta, trainings) or _next(rows, len(rows), starts, delta, trainings)
        if cell is None:
            break
        rows.append(trainings[cell][counts[cell]])
        counts[cell] += 1
    return Outcomes(rows)


def _next(
    rows: Sequence[Outcome], known: int, starts: Sequence[Cell], delta: float, allowed: Container[Cell]
) -> Cell | None:
    """Return the cell of the next training by the results of the first `known` ones; None if the answer is sure."""
    pending = [row.cell for row in rows[known:]]
    return next_training(Outcomes(rows[:known]), pending, starts, delta, CONFIDENCE, allowed.__contains__)


def _covers(answer: Answer, pool: Pool, seeds: np.ndarray, cells: Container[Cell]) -> bool:
    """Return whether no interval of `cells` misses the difference of means over `seeds`, without failed trainings."""
    losses = np.ma.masked_array(pool.log_losses[:, seeds], pool.failed[:, seeds])
    means = dict(zip(pool.cells, losses.mean(axis=1).filled(math.nan), strict=True))
    if answer.best is None:
        return True
    missed = []
    for comparison in answer.comparisons:
        truth = math.expm1(means[comparison.cell] - means[answer.best])
        low, high = comparison.interval
        missed.append(comparison.cell in cells and (truth < low or truth > high))
    return not any(missed)
