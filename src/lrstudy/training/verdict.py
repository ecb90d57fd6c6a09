"""The verdict on a learning rate: a pure function of the loss curve.

Most failures of a learning rate that is too large are finite, and a check for NaN alone misses them: the loss explodes
and returns to chance, or keeps jumping. Each kind of curve has one word; the verdict is the first kind of the table
`_KINDS` that applies. Chance is the loss, or the accuracy, of a guess that ignores the image.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from lrstudy.training.epoch import Epoch

# The final loss is the median of the last epochs: one epoch that ends on a jump is not a trend.
END_EPOCHS = 3
# The loss of a collapsed network hovers a few percent around chance, where every curve begins: only a loss that ends
# further above is worse than no training.
DIVERGED_RATIO = 1.2
# With a loss above this share of chance, nothing has been learned…
COLLAPSED_LOSS = 0.95
# … if the accuracy is also at most this multiple of chance: that of always predicting one class, and a few images.
COLLAPSED_ACCURACY = 1.25
# A curve that never moved further than this share of chance from its start has not moved.
MOVED = 0.02
# A jump is a rise, from one epoch to the next, by this share of chance. Close to its floor a loss doubles and halves by
# meaningless amounts, so jumps are not measured relative to the loss itself.
JUMP = 0.05
# A loss that rose to this multiple of chance was thrown far off; unless it later comes close to zero, it has settled
# there.
THROWN = 2.0
# A descent that ends well jumps a few times while the rate is large for the slope; an unstable one keeps jumping.
JUMPS_SHARE = 0.1
MIN_JUMPS = 2
# The last part of the curve, in which a loss that still falls is too slow.
TAIL = 0.25
# A descent is steady if the loss fell in at least this share of its epochs.
STEADY = 0.75
# The floor is near once the loss is below this share of chance: further epochs gain little.
NEAR_FLOOR = 0.1
# A slow descent lowers the loss, over the last part of the curve, by at least this share of it. A converged network on
# hard data also improves a little in every epoch, but by less. Near chance, any steady fall counts.
CREEP = 0.01
# The validation loss varies by about a tenth on a few hundred images; a rise by a quarter of its minimum is more…
OVERFIT_RATIO = 1.25
# … unless the minimum itself is close to zero: the rise must also be this share of chance.
OVERFIT_RISE = 0.02


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
    def end(self) -> float:
        """The training loss at the end of the curve, without epoch 0."""
        return median(self.train[1:][-END_EPOCHS:])

    @property
    def tail(self) -> int:
        """The number of steps, from one epoch to the next, in the last part of the curve."""
        return max(1, math.ceil(TAIL * (len(self.history) - 1)))

    @property
    def falls_steadily(self) -> bool:
        """True if the training loss fell in most epochs of the last part of the curve."""
        steps = list(pairwise(self.train))[-self.tail :]
        return sum(after < before for before, after in steps) >= STEADY * len(steps)


def judge(curve: Curve) -> Verdict:
    """Return the first kind of the table that applies to the curve; `good` if none does."""
    for word, kind in _KINDS.items():
        if reason := kind(curve):
            return Verdict(word, reason)
    best = min(curve.history, key=lambda epoch: epoch.val_loss)
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
    return None


def _collapsed(curve: Curve) -> str | None:
    accuracy = median(epoch.val_accuracy for epoch in curve.history[1:][-END_EPOCHS:])
    at_chance = curve.end >= COLLAPSED_LOSS * curve.chance_loss
    moved = max(abs(loss - curve.train[0]) for loss in curve.train) > MOVED * curve.chance_loss
    guesses = accuracy <= COLLAPSED_ACCURACY * curve.chance_accuracy
    if at_chance and moved and guesses and not curve.falls_steadily:
        return (
            f"the training loss stays at {curve.end:.3g}, that of chance ({curve.chance_loss:.3g}), "
            f"and an accuracy of {accuracy:.1%} is not better than always predicting one class"
        )
    return None


def _unstable(curve: Curve) -> str | None:
    peak = max(curve.train)
    if peak > THROWN * curve.chance_loss and curve.end > NEAR_FLOOR * curve.chance_loss:
        return f"the training loss rose to {peak:.3g} and settled at {curve.end:.3g}"
    rises = [after - before for before, after in pairwise(curve.train)]
    late = rises[len(rises) // 2 :]
    jumps = [rise for rise in late if rise > JUMP * curve.chance_loss]
    if len(jumps) < max(MIN_JUMPS, JUMPS_SHARE * len(late)):
        return None
    return f"the training loss jumped up in {len(jumps)} of the last {len(late)} epochs, by up to {max(jumps):.3g}"


def _too_slow(curve: Curve) -> str | None:
    at_chance = min(curve.end, curve.val[-1]) >= COLLAPSED_LOSS * curve.chance_loss
    if at_chance and not curve.falls_steadily:
        return f"the training loss has barely changed, from {curve.train[0]:.4g} to {curve.train[-1]:.4g}"
    if not curve.falls_steadily or min(curve.end, curve.val[-1]) < NEAR_FLOOR * curve.chance_loss:
        return None
    before, after = curve.train[-1 - curve.tail], curve.train[-1]
    creeps = before - after < CREEP * before and after < COLLAPSED_LOSS * curve.chance_loss
    turned = curve.val[-1] > OVERFIT_RATIO * min(curve.val)
    if creeps or turned:
        return None
    last = "the last epoch" if curve.tail == 1 else f"the last {curve.tail} epochs"
    return f"the training loss was still falling, from {before:.4g} to {after:.4g}, in {last}"


def _overfits(curve: Curve) -> str | None:
    best = min(curve.history, key=lambda epoch: epoch.val_loss)
    last = curve.history[-1]
    limit = max(OVERFIT_RATIO * best.val_loss, best.val_loss + OVERFIT_RISE * curve.chance_loss)
    if last.val_loss > limit and last.train_loss < best.train_loss:
        return (
            f"the validation loss rose from {best.val_loss:.3g} at epoch {best.epoch} to {last.val_loss:.3g} "
            f"while the training loss fell to {last.train_loss:.3g}"
        )
    return None


_KINDS: dict[str, Callable[[Curve], str | None]] = {
    "diverged": _diverged,
    "collapsed": _collapsed,
    "unstable": _unstable,
    "too slow": _too_slow,
    "overfits": _overfits,
}
