"""The pilot of a decision: a training that shows whether its epochs suffice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrstudy.settings import TrainSettings

# The epochs are doubled at most this many times.
MAX_DOUBLINGS = 2
# The loss still falls if its minimum in this last share of the epochs is below that of all epochs before by more than
# the difference that matters.
LAST_SHARE = 0.25


@dataclass(frozen=True)
class Pilot:
    """The result of a pilot: the epochs to use, and whether the loss still fell at their end."""

    epochs: int
    still_falls: bool


def run_pilot(settings: TrainSettings, delta: float, max_doublings: int) -> Pilot:
    """Train with `settings`, and with twice the epochs as long as the validation loss still falls at the end.

    Args:
        settings: of the training.
        delta: the difference that matters, as a share of the loss.
        max_doublings: how often the epochs may be doubled.
    """
    for _ in range(max_doublings):
        if not still_falls(_validation_losses(settings), delta):
            return Pilot(settings.epochs, still_falls=False)
        settings = settings.model_copy(update={"epochs": 2 * settings.epochs})
    return Pilot(settings.epochs, still_falls(_validation_losses(settings), delta))


def still_falls(losses: Sequence[float], delta: float) -> bool:
    """Return whether a validation loss, given per epoch from epoch 0 on, fell by more than `delta` at the end."""
    last = max(1, round(LAST_SHARE * (len(losses) - 1)))
    before, after = min(losses[:-last]), min(losses[-last:])
    return math.isfinite(after) and after < (1 - delta) * before


def _validation_losses(settings: TrainSettings) -> list[float]:
    from lrstudy.study.trial import planned
    from lrstudy.training import setup

    undiagnosed = settings.model_copy(update={"diagnose": False})
    return [epoch.val_loss for epoch in setup.build(planned(undiagnosed)).epochs()]
