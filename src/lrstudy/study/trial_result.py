"""What became of a trial: the record that a study's parts hand to each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrstudy.training.specification import TrialSpecification

# A diverged training counts as one whose loss is so many times that of guessing: bad, and finite.
DIVERGED_COUNTS = 2.0
PRUNED = "pruned"


@dataclass(frozen=True)
class TrialResult:
    """A trial that has ended. Without `verdict` it has failed, `reason` says why; `reused` was there before.

    `curve` holds epochs and their validation losses, where the study prunes.
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
        """Whether it was stopped since others did better."""
        return self.verdict == PRUNED

    @property
    def ranks(self) -> bool:
        """Whether it has come to its end, and so can be the best."""
        return bool(self.verdict) and not self.pruned

    @property
    def objective(self) -> float:
        """What is minimised: the best validation loss. A training that diverged is bad but finite, a crash infinite."""
        if self.verdict == "diverged":
            return DIVERGED_COUNTS * self.specification.context.data.chance_loss
        return self.val_loss


def best_of(done: Sequence[TrialResult]) -> TrialResult | None:
    """The trial of the lowest objective; None where none has ended whole."""
    return min((one for one in done if one.ranks), key=lambda one: one.objective, default=None)
