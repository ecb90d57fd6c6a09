"""Optuna's own loop and its warnings, neither of which a study by ask and tell uses.

Seen to work with Optuna 4 and 5.0.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.samplers import GridSampler
from optuna.trial import FrozenTrial, TrialState


class AskedGridSampler(GridSampler):
    """A grid sampler for trials that are asked for.

    After the last trial, Optuna's own sampler stops the loop of `Study.optimize`. With ask and tell there is no such
    loop: without this class, telling the last result raises a `RuntimeError` after the result is stored.
    """

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        pass


def silence_optuna() -> None:
    """Drop Optuna's log messages below warnings, and its warnings about experimental features, in this process.

    Without it, Optuna logs a line per trial between those of the study, and warns of features that have been stable
    for years: the quasi-random sampler and names of metrics.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
