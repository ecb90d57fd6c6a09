"""The results of trials as rows of a table for the statistics."""

from __future__ import annotations

import numpy as np

from lrstudy.statistics.outcomes import Outcome
from lrstudy.study.trial_result import TrialResult


def outcome_of(result: TrialResult, val_losses: np.ndarray | None = None) -> Outcome:
    """Return the row of a completed trial.

    Args:
        result: of the trial.
        val_losses: its losses per validation image, if they are known and matter.
    """
    settings = result.specification.settings
    return Outcome(
        settings.optimizer_label,
        settings.lr,
        settings.seed,
        result.val_loss,
        result.val_accuracy,
        result.test_accuracy,
        result.verdict,
        val_losses,
    )
