"""The race for the best cell: which cells get further seeds until no other is better by more than a given share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from lrstudy.statistics.cell_means import CellMeans, estimate_means
from lrstudy.statistics.cell_variances import VariancePrior
from lrstudy.statistics.outcomes import Cell, Outcomes
from lrstudy.statistics.regret import contenders, regret_risk

# One training in so many is of the best cell; the others are of contenders.
ROUND = 3
# A recommendation is sure from this number of seeds on.
MIN_SEEDS = 3
# Looking at the results after each round gives chance as many opportunities: at each look the chance of an error has
# to be below this share of the one allowed. Set by `benchmarks/decide.py`, on stored trainings and made ones.
LOOK = 0.05
# A recommendation is called sure to δ if it is sure to just that, up to this δ. Beyond, it has to be sure to this share
# of it: a race that may be wrong by more ends with fewer seeds, and those differ from others as much as before.
PLAIN_DELTA, LARGE_DELTA_SHARE = 0.05, 0.7
# The share of that which may be spent on excluding cells.
EXCLUSION = 0.5
# Learning rates at most this factor apart are neighbours: half a decade, √10, also as it is typed, 0.01 and 0.003.
NEAR = 3.4
# Where all trainings of an optimizer fail, learning rates down to so many half decades below the first are tried.
MAX_LOWER = 8
# Before two cells have a second seed, their deviation is guessed; the first seeds outweigh the guess.
PRIOR = VariancePrior(df=2.0, deviation=0.15)


@dataclass(frozen=True)
class Standing:
    """The state of a race.

    `best` is the cell with the lowest mean log loss of those without a failed training, None if there is none.
    `contenders` are those that may be better by more than the `required_delta`, the likeliest first; `risk` is the
    chance that one of them is; `sure` is whether that is low enough to end the race.
    """

    best: Cell | None
    contenders: tuple[Cell, ...] = ()
    risk: float = 1.0
    sure: bool = False


def standing(outcomes: Outcomes, delta: float, confidence: float, prior: VariancePrior | None = PRIOR) -> Standing:
    """Return the state of a race.

    Args:
        outcomes: of the trainings so far.
        delta: the difference that does not matter, as a share of the loss.
        confidence: of the answer, such as 0.95.
        prior: on the residual variance; without one nothing is known before two seeds.
    """
    if not outcomes.eligible:
        return Standing(None)
    return standing_of(outcomes, estimate_means(outcomes, outcomes.eligible, prior), delta, confidence)


def allowed_risk(confidence: float) -> float:
    """Return the chance of an error at which a recommendation is sure, for answers of this confidence."""
    return LOOK * (1 - confidence)


def required_delta(delta: float) -> float:
    """Return the share of the loss to which a recommendation has to be sure, to be called sure to `delta`.

    Up to 5% it is `delta`, beyond it 0.7 of it, but no less than 5%. With `delta` itself, 16 of 159 replayed decisions
    that were sure to 10% were wrong by other seeds (`benchmarks/decide.py`).
    """
    return min(delta, max(PLAIN_DELTA, LARGE_DELTA_SHARE * delta))


def standing_of(outcomes: Outcomes, means: CellMeans, delta: float, confidence: float) -> Standing:
    """Return the state of a race from the means of the cells that can be recommended."""
    if not means.variances.df:
        return Standing(means.best, tuple(cell for cell in means.cells if cell != means.best))
    allowed = allowed_risk(confidence)
    risk = regret_risk(means, means.best, required_delta(delta))
    remaining = contenders(risk, means.best, EXCLUSION * allowed)
    enough = len(outcomes.of(means.best)) >= MIN_SEEDS
    return Standing(means.best, tuple(remaining), risk.total, enough and risk.total <= allowed)


def next_cell(outcomes: Outcomes, pending: Sequence[Cell], state: Standing) -> Cell | None:
    """Return the cell that gets the next seed: the best one in turn with the contenders that are worth it most.

    A training informs most about a contender that is likely better and has few seeds.

    Args:
        outcomes: of the trainings that are known.
        pending: the cells of trainings that are not known yet.
        state: of the race, from `outcomes`.
    """
    if state.best is None:
        return None
    turn = (len(outcomes.rows) + len(pending)) % ROUND
    if turn == 0 or not state.contenders:
        return state.best
    waiting = Counter(pending)
    likely = {cell: len(state.contenders) - place for place, cell in enumerate(state.contenders)}
    return min(state.contenders, key=lambda cell: (len(outcomes.of(cell)) + waiting[cell]) / likely[cell])


def next_training(
    outcomes: Outcomes,
    pending: Sequence[Cell],
    starts: Sequence[Cell],
    delta: float,
    confidence: float,
    is_allowed: Callable[[Cell], bool] = lambda _: True,
) -> Cell | None:
    """Return the cell of the next training; None if the answer is sure.

    First each optimizer's best learning rate is surrounded by others at half a decade's distance; then the best cell
    and its contenders get further seeds, and are surrounded likewise.

    Args:
        outcomes: of the trainings that are known.
        pending: the cells of trainings that are not known yet.
        starts: a cell per optimizer to begin with.
        delta: the difference that does not matter, as a share of the loss.
        confidence: of the answer.
        is_allowed: whether a cell can be trained; by default any.
    """
    tried = {*outcomes.cells, *pending}
    if untried := [cell for cell in starts if cell not in tried]:
        return untried[0]
    if not outcomes.rows:
        return None
    means = estimate_means(outcomes, outcomes.eligible, PRIOR) if outcomes.eligible else None
    state = standing_of(outcomes, means, delta, confidence) if means else Standing(None)
    repeated = [cell for cell in (state.best, *state.contenders) if cell and len(outcomes.of(cell)) > 1]
    around = [*(_best_per_optimizer(means) if means else []), *repeated]
    missing = [*_below_failures(outcomes, tried, starts), *untried_neighbours(tried, around)]
    if missing := [cell for cell in missing if is_allowed(cell)]:
        return missing[0]
    if state.sure:  # and by the answer, which goes without the prior
        state = standing(outcomes, delta, confidence, None)
    return None if state.sure else next_cell(outcomes, pending, state)


def _best_per_optimizer(means: CellMeans) -> list[Cell]:
    """Return the best cell of each optimizer."""
    by_loss = [means.cells[place] for place in means.means.argsort(kind="stable")]
    return list({cell.optimizer: cell for cell in reversed(by_loss)}.values())[::-1]


def _below_failures(outcomes: Outcomes, tried: AbstractSet[Cell], starts: Sequence[Cell]) -> list[Cell]:
    """Return a lower learning rate for each optimizer all of whose trainings have failed so far."""
    usable = {cell.optimizer for cell in outcomes.eligible} | {cell.optimizer for cell in tried - {*outcomes.cells}}
    lower = []
    for start in starts:
        step = min(half_decade(cell.lr) for cell in tried if cell.optimizer == start.optimizer) - 1
        if start.optimizer not in usable and half_decade(start.lr) - step <= MAX_LOWER:
            lower.append(Cell(start.optimizer, lr_of(step)))
    return lower


def untried_neighbours(tried: AbstractSet[Cell], around: Sequence[Cell]) -> list[Cell]:
    """Return the cells half a decade beside those of `around` that are not among `tried`, in order."""
    steps: dict[str, set[int]] = {}
    for cell in tried:
        steps.setdefault(cell.optimizer, set()).add(half_decade(cell.lr))
    wanted = (
        Cell(cell.optimizer, lr_of(half_decade(cell.lr) + side))
        for cell in around
        for side in (-1, 1)
        if half_decade(cell.lr) + side not in steps[cell.optimizer]
    )
    return list(dict.fromkeys(wanted))


def is_near(lr: float, other: float) -> bool:
    """Return True if two learning rates are at most half a decade apart, give or take what rounding adds."""
    return max(lr / other, other / lr) <= NEAR


def half_decade(lr: float) -> int:
    """Return the nearest power of the square root of ten."""
    return round(2 * math.log10(lr))


def lr_of(step: int) -> float:
    """Return a power of the square root of ten with three digits: 0.316, 0.1, 0.0316."""
    return float(f"{10 ** (step / 2):.3g}")
