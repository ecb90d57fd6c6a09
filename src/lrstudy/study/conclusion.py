"""The conclusion from the results of a study: whether a training learned, and whether one that learned converged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lrstudy.formatting import pluralize
from lrstudy.server_names import CONVERGED
from lrstudy.study.trial_result import TrialResult, best_of
from lrstudy.training_steps import count_steps, format_changes, settings_for_more_steps


@dataclass(frozen=True)
class Conclusion:
    """The label of the best trial, empty if no training learned, and sentences that say what to change first."""

    best_label: str
    sentences: tuple[str, ...] = ()


def conclude(results: Sequence[TrialResult]) -> Conclusion:
    """Return the conclusion from the trials of a study."""
    best = best_of(results)
    if best is None:
        return Conclusion("")
    learned = [result for result in results if result.completed and not result.diverged and _has_learned(result)]
    if not learned:
        return Conclusion("", (_nothing_learned(best),))
    if best.verdict in CONVERGED:
        return Conclusion("best")
    sentence = f"{best.specification.name} is the best so far, but has not converged: {best.verdict}; {_remedy(best)}."
    return Conclusion("best so far", (sentence, *_best_converged(learned)))


def _best_converged(learned: Sequence[TrialResult]) -> list[str]:
    """Return a sentence on the best trial of those that converged, if any."""
    best = best_of([result for result in learned if result.verdict in CONVERGED])
    if best is None:
        return []
    scores = f"a validation loss of {best.val_loss:.4f} and an accuracy of {best.val_accuracy:.1%}"
    return [f"{best.specification.name} is the best that has converged, with {scores}."]


def _has_learned(result: TrialResult) -> bool:
    return result.specification.context.data.chance_level.is_beaten_by(result.val_accuracy, result.val_loss)


def _nothing_learned(best: TrialResult) -> str:
    settings, images = best.specification.settings, best.specification.context.data.split_sizes["train"]
    steps = count_steps(images, settings.batch_size, settings.epochs)
    changed = settings_for_more_steps(images, settings.batch_size, settings.epochs)
    advice = format_changes(changed) if changed else "other learning rates, more epochs or another network"
    return f"no training learned: {pluralize(steps, 'step')} each; try {advice}."


def _remedy(best: TrialResult) -> str:
    """Return advice: the first change to make so that the best training converges."""
    settings, images = best.specification.settings, best.specification.context.data.split_sizes["train"]
    if best.verdict != "too slow":
        return "try lower learning rates"
    changed = settings_for_more_steps(images, settings.batch_size, settings.epochs)
    return f"try {format_changes(changed or {'epochs': 2 * settings.epochs})}"
