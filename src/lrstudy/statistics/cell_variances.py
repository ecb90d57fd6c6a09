"""Residual variances of the log losses of cells, over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MIN_SEED_RATIO = 1.0
# Beyond it, means without a seed in common could not be computed with enough digits.
MAX_SEED_RATIO = 1e6
# Equal losses leave no variance: this is less than that of rounding errors, and enough to compute with.
MIN_VARIANCE = 1e-24


class VariancePrior(NamedTuple):
    """The residual deviation of log losses that is assumed before any is seen, worth `df` degrees of freedom."""

    df: float
    deviation: float


@dataclass(frozen=True, eq=False)
class CellVariances:
    """The common residual variance of cells, and the relative precision of each.

    `common` is in squared log units, with `df` degrees of freedom; NaN and 0 if no cell has two seeds. `precisions` are
    the common variance over a cell's own, float64 `(cells,)`, 1 for cells with one seed. `cell_df` are the degrees of
    freedom of each cell's own variance. `prior_df` is the weight of the common one: infinite if the cells' variances
    do not differ more than by chance. `within` is the variance of the log losses of a cell: of the seeds' common effect
    and the residual one together; NaN if no cell has two seeds.
    """

    common: float
    df: float
    precisions: np.ndarray
    cell_df: np.ndarray
    prior_df: float
    within: float

    @property
    def seed_ratio(self) -> float:
        """The variance of the seeds' common effect as a multiple of the common residual variance.

        It matters only where cells have different seeds: the larger it is, the more are they compared by the seeds that
        they share. It is not below 1, since few seeds can hide that they have an effect.
        """
        estimate = self.within / self.common - 1
        return min(max(MIN_SEED_RATIO, estimate), MAX_SEED_RATIO)


def estimate_variances(losses: np.ndarray, known: np.ndarray, prior: VariancePrior | None) -> CellVariances:
    """Estimate the residual variances, each shrunk toward the common one by as much as they are similar.

    By empirical Bayes: Smyth 2004, https://doi.org/10.2202/1544-6115.1027, section 6.2.

    Args:
        losses: log losses, float64 `(cells, seeds)`; any number where unknown.
        known: which are known, bool `(cells, seeds)`; at least one per cell.
        prior: on the common variance.
    """
    repeated = known.sum(axis=1) > 1
    squares, cell_df = np.zeros(len(losses)), np.zeros(len(losses))
    if repeated.any():
        squares[repeated], cell_df[repeated] = _residual_squares(losses[repeated], known[repeated])
    prior_df, prior_squares = (prior.df, prior.df * prior.deviation**2) if prior else (0.0, 0.0)
    df = prior_df + float(cell_df.sum())
    if df == 0:
        return CellVariances(math.nan, 0.0, np.ones(len(losses)), cell_df, math.inf, math.nan)
    within = _variance_within(losses[repeated], known[repeated])
    common = max((prior_squares + float(squares.sum())) / df, MIN_VARIANCE)
    weight = _weight_of_common(squares[repeated], cell_df[repeated])
    if not math.isfinite(weight):
        return CellVariances(common, df, np.ones(len(losses)), cell_df, weight, within)
    own = (weight * common + squares) / (weight + cell_df)
    return CellVariances(common, df, common / own, cell_df, weight, within)


def _variance_within(losses: np.ndarray, known: np.ndarray) -> float:
    """Return the variance of cells' losses around their means, pooled; NaN if there are none."""
    if not known.any():
        return math.nan
    means = losses.mean(axis=1, where=known, keepdims=True)
    squares = ((losses - means) ** 2).sum(where=known)
    return float(squares / (known.sum() - len(known)))


def _residual_squares(losses: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of squared residuals of log loss = cell + seed, and their degrees of freedom, per cell.

    The degrees of freedom of all cells are shared among them by their numbers of trainings, less one.
    """
    cells, seeds = known.shape
    rows, columns = np.nonzero(known)
    design = np.zeros((len(rows), cells + seeds))
    design[np.arange(len(rows)), rows] = 1
    shared = known.sum(axis=0) > 1  # one cell alone does not show the effect of a seed
    design[np.arange(len(rows)), cells + columns] = shared[columns]
    values = losses[rows, columns]
    solution, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    residuals = values - design @ solution
    squares = np.bincount(rows, residuals**2, minlength=cells)
    shares = known.sum(axis=1) - 1.0
    return squares, (len(rows) - rank) * shares / shares.sum()


def _weight_of_common(squares: np.ndarray, df: np.ndarray) -> float:
    """Return the prior degrees of freedom of Smyth's moment estimator; infinite if the variances are equal."""
    usable = (df > 0) & (squares > 0)
    if usable.sum() < 3:
        return math.inf
    from scipy.special import polygamma  # takes a moment, and a table with one seed does without

    logs = np.log(squares[usable] / df[usable]) - polygamma(0, df[usable] / 2) + np.log(df[usable] / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, df[usable] / 2).mean())
    return 2 * _inverse_trigamma(excess) if excess > 0 else math.inf


def _inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value, by Newton's method on 1 / trigamma (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x
