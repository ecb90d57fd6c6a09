"""Means of the log losses of cells, with their joint uncertainty over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from lrstudy.statistics.cell_variances import CellVariances, VariancePrior, estimate_variances
from lrstudy.statistics.outcomes import Cell, Outcomes

DRAWS = 8000


@dataclass(frozen=True, eq=False)
class CellMeans:
    """The estimated mean log losses of `cells`, float64 `(cells,)`.

    `covariance` is that of the means, `(cells, cells)`, in squared log units, NaN if `variances.df` is 0: no cell has
    two seeds then.
    """

    cells: tuple[Cell, ...]
    means: np.ndarray
    covariance: np.ndarray
    variances: CellVariances

    @property
    def best(self) -> Cell:
        """The cell with the lowest mean."""
        return self.cells[int(self.means.argmin())]

    @cached_property
    def normal_draws(self) -> np.ndarray:
        """Normal draws of the errors of the means, as if their variances were known, float64 `(draws, cells)`."""
        normal = np.stack([_normal_draws(number) for number in range(len(self.cells))], axis=1)
        draws: np.ndarray = normal @ np.linalg.cholesky(self.covariance).T
        return draws

    @cached_property
    def draws(self) -> np.ndarray:
        """Draws from the joint distribution of the errors of the means, float64 `(draws, cells)`; always the same.

        A multivariate t distribution: the posterior of the means under flat priors (Gelman et al., Bayesian Data
        Analysis, 3rd edition, section 14.2), and the distribution of simultaneous tests (Hothorn, Bretz & Westfall
        2008, https://doi.org/10.1002/bimj.200810425). Where cells have variances of their own, each has its own scale.
        """
        rng = np.random.default_rng(0)
        common = np.sqrt(self.variances.df / rng.chisquare(self.variances.df, DRAWS))
        draws: np.ndarray = self.normal_draws * common[:, None]
        if math.isfinite(self.variances.prior_df):
            dfs = self.variances.prior_df + self.variances.cell_df
            draws *= np.stack([np.sqrt(df / rng.chisquare(df, DRAWS)) for df in dfs], axis=1)
        return draws


@lru_cache(maxsize=1024)
def _normal_draws(number: int) -> np.ndarray:
    """Return standard normal draws, float64 `(draws,)`: the same for the same number."""
    draws: np.ndarray = np.random.default_rng([1, number]).standard_normal(DRAWS)
    return draws


def estimate_means(
    outcomes: Outcomes, cells: Sequence[Cell] | None = None, prior: VariancePrior | None = None
) -> CellMeans:
    """Estimate the mean log losses of cells that have trainings which did not fail.

    The model: log loss = cell + seed + residual. Seeds are random effects, so that trainings with the same initial
    weights and order of batches are compared in pairs, and a training without a partner counts as well (Searle,
    Casella & McCulloch, Variance Components, 1992, chapter 7).

    Args:
        outcomes: of the trainings; failed ones are left out.
        cells: by default all.
        prior: on the residual variance; by default none.
    """
    chosen = outcomes.cells if cells is None else tuple(cells)
    losses = outcomes.log_losses[[outcomes.cells.index(cell) for cell in chosen]]
    known = np.isfinite(losses)
    losses = np.where(known, losses, 0.0)
    variances = estimate_variances(losses, known, prior)
    means, covariance = _fit(losses, known * variances.precisions[:, None], variances.seed_ratio)
    return CellMeans(chosen, means, variances.common * covariance, variances)


def _fit(losses: np.ndarray, weights: np.ndarray, seed_ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the means and their covariance by Henderson's mixed-model equations, with the seeds eliminated."""
    shrunk = weights / (weights.sum(axis=0) + 1 / seed_ratio)
    information = np.diag(weights.sum(axis=1)) - shrunk @ weights.T
    covariance = np.linalg.inv(information)
    weighted = weights * losses
    means = covariance @ (weighted.sum(axis=1) - shrunk @ weighted.sum(axis=0))
    return means, covariance
