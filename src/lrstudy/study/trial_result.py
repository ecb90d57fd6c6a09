"""The result of a trial, as the parts of a study pass it on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrstudy.training.specification import TrialSpecification

# A diverged training counts as this multiple of the loss of guessing: bad, and finite.
DIVERGED_LOSS_FACTOR = 2.0
PRUNED = "pruned"


@dataclass(frozen=True)
class TrialResult:
    """A trial that has ended. A failed one has no `verdict` but a `reason`; the run of a `reused` one existed before.

    `curve` holds epochs and their validation losses if the study prunes.
    """

    number: int
    specification: TrialSpecification
    run_id: str
    val_loss: float = math.inf
    val_accuracy: float = 0.0
    verdict: str = ""
    reason: str = ""
    reused: bool = False
    curve: Sequence[tuple[int, float]] = ()

    @property
    def pruned(self) -> bool:
        """Return whether it was stopped because other trials did better."""
        return self.verdict == PRUNED

    @property
    def ranks(self) -> bool:
        """Return whether it was trained to its end, and so can be the best."""
        return bool(self.verdict) and not self.pruned

    @property
    def objective(self) -> float:
        """Return the value to minimise: the best validation loss; large if it diverged, infinite if it failed."""
        if self.verdict == "diverged":
            return DIVERGED_LOSS_FACTOR * self.specification.context.data.chance_loss
        return self.val_loss


def best_of(results: Sequence[TrialResult]) -> TrialResult | None:
    """Return the result with the lowest objective; None if no trial was trained to its end."""
    return min((result for result in results if result.ranks), key=lambda result: result.objective, default=None)


def failure(number: int, specification: TrialSpecification, run_id: str, error: BaseException) -> TrialResult:
    """Return the result of a trial that failed with `error`."""
    return TrialResult(number, specification, run_id, reason=failure_description(error))


def failure_description(error: BaseException) -> str:
    """Return the name of an error and its message."""
    return f"{type(error).__name__}: {error}"
