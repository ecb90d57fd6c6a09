"""Tables of made trainings, of known means and noise."""

from collections.abc import Sequence

import numpy as np

from lrstudy.statistics import Outcome, Outcomes


def outcomes_of(log_losses: np.ndarray | Sequence[Sequence[float]]) -> Outcomes:
    """Return the outcomes with these log losses, `(cells, seeds)`; NaN where there is no training."""
    return Outcomes(
        Outcome("adam", float(10 + cell), seed, float(np.exp(log)))
        for cell, logs in enumerate(log_losses)
        for seed, log in enumerate(logs)
        if np.isfinite(log)
    )


def made_logs(
    means: Sequence[float],
    seeds: int,
    generator: np.random.Generator,
    *,
    residual: float = 0.1,
    seed_effect: float = 0.1,
) -> np.ndarray:
    """Return normal log losses, `(cells, seeds)`, as cell + seed + residual."""
    common = generator.normal(0, seed_effect, seeds)
    return np.array(means)[:, None] + common + generator.normal(0, residual, (len(means), seeds))
