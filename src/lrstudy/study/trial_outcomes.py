"""The results of trials as a table for the statistics."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lrstudy.statistics.outcomes import Outcome, Outcomes
from lrstudy.study.trial_result import TrialResult


def outcome_of(result: TrialResult) -> Outcome:
    """Return a trial's row of the table; one that failed or was pruned has no finite loss."""
    settings = result.specification.settings
    return Outcome(
        settings.optimizer_label,
        settings.lr,
        settings.seed,
        result.val_loss if result.completed else math.inf,
        result.val_accuracy,
        verdict=result.verdict,
    )


def outcomes_of(results: Iterable[TrialResult]) -> Outcomes:
    """Return the table of the trials of a study."""
    return Outcomes(map(outcome_of, results))
