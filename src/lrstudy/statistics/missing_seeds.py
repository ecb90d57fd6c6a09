"""Estimate how many further seeds would make an open answer sure."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from lrstudy.statistics.cell_means import CellMeans
from lrstudy.statistics.outcomes import Outcomes
from lrstudy.statistics.race import MIN_SEEDS, Standing, allowed_risk, required_delta

# The number that suffices in this share of the draws: in replayed decisions as many took more as took fewer.
QUANTILE = 0.75


def missing_seeds(outcomes: Outcomes, means: CellMeans, state: Standing, delta: float, confidence: float) -> int:
    """Return about how many further seeds of the best cell and of each contender would make the answer sure.

    If the true means were a draw from their posterior distribution, a cell would be excluded once the chance that it is
    better than the best by more than δ, the `required_delta`, falls to its share of the error that is allowed: with n
    seeds each of it and of the best one, n = (v + w) (q / (d + log(1 + δ)))², with their variances v and w, the
    difference d of their log losses and the quantile q of the normal distribution. The seeds of all cells are added up
    and divided among the best cell and the contenders.

    The estimate is rough: of open answers in replays (`benchmarks/decide.py`), 7 of 10 took between a quarter and four
    times as many.
    """
    true_means = means.means + means.draws
    best = true_means.argmin(axis=1)
    rows = np.arange(len(best))
    distances = true_means - true_means[rows, best][:, None] + math.log1p(required_delta(delta))
    quantile = NormalDist().inv_cdf(1 - allowed_risk(confidence) / max(len(state.contenders), 1))
    variances = means.variances.common / means.variances.precisions
    seeds = np.ceil((variances + variances[best][:, None]) * (quantile / distances) ** 2)
    seeds[rows, best] = 0
    seeds[rows, best] = seeds.max(axis=1)
    known = np.array([len(outcomes.of(cell)) for cell in means.cells])
    total = float(np.quantile(np.maximum(seeds - known, 0).sum(axis=1), QUANTILE))
    fewest = max(MIN_SEEDS - len(outcomes.of(means.best)), 1)
    return max(math.ceil(total / (1 + len(state.contenders))), fewest)
