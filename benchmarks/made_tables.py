"""Decisions on made tables, whose truth is known: cells that are equal, and cells of which one is better."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lrstudy.statistics import find_answer
from lrstudy.statistics.outcomes import Cell, Outcome
from replay import CONFIDENCE, MAX_TRAININGS, race

CELLS = (4, 8, 12)
SEED_DEVIATION = RESIDUAL_DEVIATION = 0.1
# In the least favourable case, all cells but one are worse by so many times the difference that does not matter.
SLIPPAGE = 1.5

# Draws residual log losses of that deviation on average, `(cells, trainings)`.
Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return normal residuals."""
    return RESIDUAL_DEVIATION * rng.standard_normal(shape)


def uneven_t(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return residuals with long tails, t with four degrees of freedom, whose deviations differ fourfold by cell."""
    deviations = RESIDUAL_DEVIATION * rng.permutation(np.geomspace(0.5, 2, shape[0]))
    residuals: np.ndarray = deviations[:, None] * rng.standard_t(4, shape) / np.sqrt(2)
    return residuals


NOISES: dict[str, Noise] = {"normal": normal, "uneven t": uneven_t}


@dataclass(frozen=True)
class MadeDecision:
    """The outcome of a decision on a made table; `worse` is whether some cell was called surely worse."""

    right: bool
    sure: bool
    worse: bool
    trainings: int


def decide_made(noise: str, cells: int, slippage: float, delta: float, number: int) -> MadeDecision:
    """Replay a decision on a made table.

    Args:
        noise: the name of its noise.
        cells: their number.
        slippage: by how much all cells but one are worse, as a share of the loss.
        delta: the difference that does not matter.
        number: of the table; the same number gives the same noise.
    """
    rng = np.random.default_rng([number, cells])
    shape = (cells, MAX_TRAININGS)
    logs = SEED_DEVIATION * rng.standard_normal(MAX_TRAININGS) + NOISES[noise](rng, shape)
    best = int(rng.integers(cells))
    logs += np.where(np.arange(cells) == best, 0, np.log1p(slippage))[:, None]
    names = [Cell(f"optimizer {place}", 0.1) for place in range(cells)]
    trainings = {
        cell: [Outcome(*cell, seed, float(loss)) for seed, loss in enumerate(np.exp(row))]
        for cell, row in zip(names, logs, strict=True)
    }
    outcomes = race(trainings, names, delta)
    answer = find_answer(outcomes, delta, CONFIDENCE)
    return MadeDecision(answer.best == names[best], answer.is_sure, bool(answer.worse), len(outcomes.rows))
