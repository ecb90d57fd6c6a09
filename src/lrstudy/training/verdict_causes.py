"""The verdict on a training with the causes that were measured beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Verdict
from lrstudy.verdicts.causes import Causes, cite


def cite_causes(verdict: Verdict, history: Sequence[Epoch], chance_loss: float) -> Verdict:
    """Return the verdict with its causes in the reason; the same verdict where none were measured, or none explains it.

    Args:
        verdict: on the training.
        history: of the training.
        chance_loss: the loss of guessing.
    """
    clause = cite(verdict.word, causes_of(history), chance_loss)
    return replace(verdict, reason=f"{verdict.reason}; {clause}") if clause else verdict


def causes_of(history: Sequence[Epoch]) -> Causes:
    """Return the causes that were measured in the epochs of a training."""
    curves: dict[str, dict[int, float]] = {}
    for epoch in history:
        for name, value in {**epoch.causes, "train_loss": epoch.train_loss}.items():
            curves.setdefault(name, {})[epoch.epoch] = value
    return Causes.of_curves(curves)
