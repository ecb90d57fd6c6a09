"""The first change to make where a study recommends nothing: in the same words in the terminal and in the report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count, islice

from lrstudy.formatting import format_lr, pluralize
from lrstudy.training_steps import count_steps, format_changes, settings_for_more_steps

# Adjacent learning rates, and kinds of curve, are about half a decade apart.
LR_STEP = math.sqrt(10)
# Learning rates that differ by less are the same: they are typed with few digits, such as 0.03.
SAME_LR = 0.1


@dataclass(frozen=True)
class TrainingLength:
    """The numbers that the steps of a training follow from; 0 where one is unknown."""

    images: int
    batch_size: int
    epochs: int

    @property
    def more_steps(self) -> Mapping[str, int]:
        """The changed settings that give enough steps; empty if there are enough, or if the numbers are unknown."""
        known = self.images and self.batch_size and self.epochs
        return settings_for_more_steps(self.images, self.batch_size, self.epochs) if known else {}

    @property
    def longer(self) -> Mapping[str, int]:
        """The changed settings that train longer."""
        return self.more_steps or {"epochs": 2 * self.epochs}


def learning_advice(length: TrainingLength, lrs: Iterable[float]) -> str:
    """Return advice where no training learned: more steps if they are few, else other learning rates than `lrs`."""
    if length.more_steps:
        advice = f"try {format_changes(length.more_steps)}"
    else:
        advice = f"try learning rates beyond those tried, lrs={wider_lrs(lrs)}, or another network"
    steps = count_steps(length.images, length.batch_size, length.epochs) if length.batch_size else 0
    return f"{advice}: each training had {pluralize(steps, 'step')}" if steps else advice


def longer_training_advice(length: TrainingLength, verdict: str) -> str:
    """Return advice where the best training did not fail, and has not converged."""
    improving = ": it was still improving when its epochs ran out" if verdict == "too slow" else ""
    return f"train longer, with {format_changes(length.longer)}{improving}"


def lower_lrs_advice(lr: float, tried: Iterable[float], verdict: str = "") -> str:
    """Return the advice to try learning rates below `lr`, with the verdict of the best training as the reason."""
    reason = f": this one is {verdict}" if verdict else ""
    return f"try lower learning rates, {lower_lrs(lr, tried).replace(',', ' and ')}{reason}"


def lower_lrs(lr: float, tried: Iterable[float]) -> str:
    """Return the next two learning rates below `lr` that were not tried, as typed."""
    known = [*tried]
    lower = (lr / LR_STEP**step for step in count(1))
    new = (one for one in lower if not any(math.isclose(one, other, rel_tol=SAME_LR) for other in known))
    return ",".join(map(format_lr, islice(new, 2)))


def wider_lrs(lrs: Iterable[float]) -> str:
    """Return learning rates as typed: a decade above those tried, their geometric middle, and a decade below."""
    low, *_, high = sorted([*lrs] * 2)
    return ",".join(format_lr(lr) for lr in (10 * high, math.sqrt(low * high), low / 10))
