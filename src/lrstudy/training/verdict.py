"""The verdict on a learning rate: a pure function of the loss curve.

Most failures of a learning rate that is too large are finite, and a check for NaN alone misses them: the loss explodes
and returns to chance, or keeps jumping. Each kind of curve has one word; the verdict is the first kind of the table
`_KINDS` that applies. Chance is the loss, or the accuracy, of a guess that ignores the image. It can be far below the
loss at the start, where every class is equally likely: the classes may have very different shares.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from lrstudy.training.epoch import Epoch
from lrstudy.verdicts.convergence import LAST_PART, still_improves

# The final loss is the median of the last epochs: one epoch that ends on a jump is not a trend.
END_EPOCHS = 3
# The loss of a collapsed network hovers a few percent around chance, where most curves begin: only a loss that ends
# further above its start is worse than no training.
DIVERGED_RATIO = 1.2
# A validation loss that ends above this multiple of its start has diverged, however far the training loss fell.
EXPLODED_RATIO = 20.0
# With a loss above this share of chance, nothing has been learned…
NOTHING_LEARNED = 0.95
# … if the accuracy is also at most this multiple of chance: that of always predicting one class, and a few images.
COLLAPSED_ACCURACY = 1.25
# A curve that stayed within this share of chance of its start has not moved.
MOVED = 0.02
# A jump is a rise, from one epoch to the next, by this share of chance. Close to its floor a loss doubles and halves by
# meaningless amounts, so jumps are not measured relative to the loss itself.
JUMP = 0.05
# A validation loss varies more, since it is computed on fewer images.
VAL_JUMP = 0.15
# A loss that rose to this multiple of its start was thrown far off; it has settled there unless it ends below this
# share of chance.
THROWN = 2.0
SETTLED = 0.5
# A descent that ends well jumps a few times while the steps are large for the slope; an unstable one keeps jumping.
JUMPS_SHARE = 0.1
MIN_JUMPS = 2
# A single jump is unstable if it is the end, and this share of chance above the lowest loss.
END_JUMP = 0.2
# The floor is near once the loss is below this share of chance: further epochs gain little.
NEAR_FLOOR = 0.1
# The validation loss has turned if it ends above its minimum by this share of it, and this share of chance, …
OVERFIT_RATIO = 1.03
OVERFIT_RISE = 0.01
# … and the minimum is in this first share of the epochs.
OVERFIT_SHARE = 0.8


@dataclass(frozen=True)
class Verdict:
    """The word for a curve, and the reason for it with its numbers."""

    word: str
    reason: str


@dataclass(frozen=True)
class Curve:
    """The epochs of a training, epoch 0 first, and the loss and accuracy of chance.

    `chance_loss` is the cross-entropy of always predicting the class shares, ln C for C balanced classes;
    `chance_accuracy` is the share of the largest class.
    """

    history: Sequence[Epoch]
    chance_loss: float
    chance_accuracy: float

    @property
    def train(self) -> list[float]:
        """The training losses."""
        return [epoch.train_loss for epoch in self.history]

    @property
    def val(self) -> list[float]:
        """The validation losses."""
        return [epoch.val_loss for epoch in self.history]

    @property
    def best(self) -> Epoch:
        """The epoch of the lowest validation loss."""
        return min(self.history, key=lambda epoch: epoch.val_loss)

    @property
    def end(self) -> float:
        """The training loss at the end of the curve, without epoch 0."""
        return _end(self.train)

    @property
    def tail(self) -> int:
        """The number of epochs in the last part of the curve."""
        return max(1, round(LAST_PART * (len(self.history) - 1)))

    @property
    def val_end(self) -> float:
        """The validation loss at the end of the curve, without epoch 0."""
        return _end(self.val)


def _end(losses: Sequence[float]) -> float:
    return median(losses[1:][-END_EPOCHS:])


def judge(curve: Curve) -> Verdict:
    """Return the first kind of the table that applies to the curve; `good` if none does."""
    for word, kind in _KINDS:
        if reason := kind(curve):
            return Verdict(word, reason)
    best = curve.best
    return Verdict(
        "good",
        f"the training loss fell from {curve.train[0]:.3g} to {curve.end:.3g}, "
        f"the validation loss to {best.val_loss:.3g} at epoch {best.epoch}",
    )


def _diverged(curve: Curve) -> str | None:
    last = curve.history[-1]
    if last.diverged:
        return f"a loss is no longer a finite number after epoch {last.epoch}"
    if curve.end > DIVERGED_RATIO * curve.train[0]:
        return f"the training loss ended at about {curve.end:.3g}, above its start, {curve.train[0]:.3g}"
    rise = min(curve.val_end, last.val_loss) / curve.val[0]
    if rise > EXPLODED_RATIO or (rise > DIVERGED_RATIO and curve.end >= NOTHING_LEARNED * curve.chance_loss):
        return f"the validation loss ended at about {curve.val_end:.3g}, above its start, {curve.val[0]:.3g}"
    return None


def _collapsed(curve: Curve) -> str | None:
    accuracy = median(epoch.val_accuracy for epoch in curve.history[1:][-END_EPOCHS:])
    at_chance = curve.end >= NOTHING_LEARNED * curve.chance_loss
    thrown = max(curve.train) > curve.train[0] + MOVED * curve.chance_loss
    fell_back = min(curve.train) < NOTHING_LEARNED * curve.chance_loss
    guesses = accuracy <= COLLAPSED_ACCURACY * curve.chance_accuracy
    # A loss that is about to fall below that of chance has not collapsed.
    falls = curve.train[-1] < min([curve.chance_loss, *curve.train[1 : -curve.tail]]) - MOVED * curve.chance_loss
    if at_chance and guesses and (thrown or fell_back) and not falls:
        return (
            f"the training loss stays at {curve.end:.3g}, that of chance ({curve.chance_loss:.3g}), "
            f"and an accuracy of {accuracy:.1%} is not better than always predicting one class"
        )
    return None


def _unstable(curve: Curve) -> str | None:
    peak, settled = max(curve.train), curve.end > SETTLED * curve.chance_loss
    if peak > THROWN * curve.train[0] and settled and not still_improves(curve.val):
        return f"the training loss rose to {peak:.3g} and settled at {curve.end:.3g}"
    for name, losses, share in (("training", curve.train, JUMP), ("validation", curve.val, VAL_JUMP)):
        late = losses[(len(losses) - 1) // 2 :]
        jumps = _jumps(late, share * curve.chance_loss)
        if len(jumps) >= max(MIN_JUMPS, JUMPS_SHARE * (len(late) - 1)):
            often = f"{len(jumps)} of the last {len(late) - 1} epochs"
            return f"the {name} loss jumped up in {often}, by up to {max(jumps):.3g}"
    lowest, last = min(curve.train), curve.train[-1]
    if last - lowest > END_JUMP * curve.chance_loss:
        return f"the training loss jumped up from {lowest:.3g} to {last:.3g} at the end"
    return None


def _jumps(losses: Sequence[float], least: float) -> list[float]:
    """Return the rises by more than `least` from one epoch to the next that were taken back by half, or were the last.

    A validation loss that rises for good, as the network overfits, does not jump.
    """
    rises = [after - before for before, after in pairwise(losses)]
    return [
        rise
        for epoch, rise in enumerate(rises, 1)
        if rise > least and min(losses[epoch + 1 :], default=-math.inf) <= losses[epoch] - rise / 2
    ]


def _overfits(curve: Curve) -> str | None:
    best, last = curve.best, curve.history[-1]
    limit = OVERFIT_RATIO * best.val_loss + OVERFIT_RISE * curve.chance_loss
    turned = best.epoch <= OVERFIT_SHARE * last.epoch and min(curve.val_end, last.val_loss) > limit
    if turned and curve.end < best.train_loss:
        return (
            f"the validation loss rose from {best.val_loss:.3g} at epoch {best.epoch} to {last.val_loss:.3g} "
            f"while the training loss fell to {last.train_loss:.3g}"
        )
    return None


def _learned_by_heart(curve: Curve) -> str | None:
    limit = NOTHING_LEARNED * curve.chance_loss
    if curve.best.val_loss >= limit > curve.end:
        return (
            f"the training loss fell to {curve.end:.3g}, the validation loss never below {curve.best.val_loss:.3g}; "
            f"that of chance is {curve.chance_loss:.3g}"
        )
    return None


def _too_slow(curve: Curve) -> str | None:
    if min(curve.end, curve.val_end) >= NOTHING_LEARNED * curve.chance_loss:
        below = "not below" if curve.end >= curve.chance_loss else "hardly below"
        return (
            f"the training loss went from {curve.train[0]:.4g} to about {curve.end:.4g}, {below} that of chance "
            f"({curve.chance_loss:.4g})"
        )
    if curve.best.val_loss < NEAR_FLOOR * curve.chance_loss or not still_improves(curve.val):
        return None
    return f"the validation loss was still falling at the end, to {curve.best.val_loss:.4g} at epoch {curve.best.epoch}"


_KINDS: tuple[tuple[str, Callable[[Curve], str | None]], ...] = (
    ("diverged", _diverged),
    ("collapsed", _collapsed),
    ("unstable", _unstable),
    ("overfits", _overfits),
    ("too slow", _too_slow),
    ("overfits", _learned_by_heart),
)
