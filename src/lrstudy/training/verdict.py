"""What a loss curve says of its learning rate: a pure function of the curve.

Most failures of a learning rate that is too large are finite, so that a check for NaN alone misses them: the loss
explodes and comes back to that of guessing, or keeps jumping. Each kind of curve has one word; the first of the table
`_KINDS` that applies is the verdict.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from lrstudy.training.epoch import Epoch

# A loss is judged by the median of its last epochs: one epoch that happens to end on a jump is no trend.
END_EPOCHS = 3
# A network that collapsed hovers a few percent around the loss of guessing, where every curve began: only what ends
# further above is worse than no training at all.
DIVERGED_RATIO = 1.2
# Within this share of the loss of guessing nothing has been learned…
COLLAPSED_LOSS = 0.95
# … if the accuracy, too, is that of naming one class always, give or take a few images.
COLLAPSED_ACCURACY = 1.25
# A curve that never went further than this share of the loss of guessing from where it began has not moved.
MOVED = 0.02
# A jump is a rise, from an epoch to the next, by this share of the loss of guessing. Near its floor a loss doubles and
# halves by amounts that mean nothing, so that jumps are not measured against the loss itself.
JUMP = 0.05
# A loss that went up to this many times that of guessing was thrown far off, and if it does not come near zero after
# that, it has settled where it was thrown.
THROWN = 2.0
# Descents that end well jump a few times while the rate is large for the slope; those that are unstable go on.
JUMPS_SHARE = 0.1
MIN_JUMPS = 2
# The curve's last part, over which it is asked whether it still falls.
TAIL = 0.25
# A descent is steady if at least this share of its epochs went down.
STEADY = 0.75
# The floor is near once the loss is under this share of the loss of guessing: what more epochs bring is small.
NEAR_FLOOR = 0.1
# A slow descent lowers the loss, over the curve's last part, by at least this share of it. A converged network on hard
# data also creeps down at every epoch, but by less. Far above, near the loss of guessing, any steady fall counts.
CREEP = 0.01
# Validation loss wobbles by a tenth or so on a few hundred images; a rise by a quarter of its minimum is more…
OVERFIT_RATIO = 1.25
# … unless the minimum itself is next to nothing.
OVERFIT_RISE = 0.02


@dataclass(frozen=True)
class Verdict:
    """A word for a curve, and the sentence with the numbers that led to it."""

    word: str
    reason: str


@dataclass(frozen=True)
class Curve:
    """The losses of a training, epoch 0 first, and what guessing would get.

    `chance_loss` is the cross-entropy of always predicting the classes' shares, ln C for C balanced classes;
    `chance_accuracy` is the largest class's share.
    """

    history: Sequence[Epoch]
    chance_loss: float
    chance_accuracy: float

    @property
    def train(self) -> list[float]:
        """Training losses."""
        return [epoch.train_loss for epoch in self.history]

    @property
    def val(self) -> list[float]:
        """Validation losses."""
        return [epoch.val_loss for epoch in self.history]

    @property
    def end(self) -> float:
        """The training loss that the curve ends at, epoch 0 left out."""
        return median(self.train[1:][-END_EPOCHS:])

    @property
    def tail(self) -> int:
        """The number of steps, from an epoch to the next, in the curve's last part."""
        return max(1, math.ceil(TAIL * (len(self.history) - 1)))

    @property
    def falls_steadily(self) -> bool:
        """Whether the training loss went down in most epochs of the curve's last part."""
        steps = list(pairwise(self.train))[-self.tail :]
        return sum(after < before for before, after in steps) >= STEADY * len(steps)


def judge(curve: Curve) -> Verdict:
    """The first kind that the curve is of, the kinds taken in the order of the table; `good` if of none."""
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
        return f"the training loss ended at about {curve.end:.3g}, above the {curve.train[0]:.3g} it began at"
    return None


def _collapsed(curve: Curve) -> str | None:
    accuracy = median(epoch.val_accuracy for epoch in curve.history[1:][-END_EPOCHS:])
    at_chance = curve.end >= COLLAPSED_LOSS * curve.chance_loss
    moved = max(abs(loss - curve.train[0]) for loss in curve.train) > MOVED * curve.chance_loss
    guesses = accuracy <= COLLAPSED_ACCURACY * curve.chance_accuracy
    if at_chance and moved and guesses and not curve.falls_steadily:
        return (
            f"the training loss sits at {curve.end:.3g}, that of guessing ({curve.chance_loss:.3g}), "
            f"and an accuracy of {accuracy:.1%} is no better than naming one class always"
        )
    return None


def _unstable(curve: Curve) -> str | None:
    peak = max(curve.train)
    if peak > THROWN * curve.chance_loss and curve.end > NEAR_FLOOR * curve.chance_loss:
        return f"the training loss shot up to {peak:.3g} and settled at {curve.end:.3g}"
    rises = [after - before for before, after in pairwise(curve.train)]
    late = rises[len(rises) // 2 :]
    jumps = [rise for rise in late if rise > JUMP * curve.chance_loss]
    if len(jumps) < max(MIN_JUMPS, JUMPS_SHARE * len(late)):
        return None
    return f"the training loss jumped up in {len(jumps)} of the last {len(late)} epochs, by up to {max(jumps):.3g}"


def _too_slow(curve: Curve) -> str | None:
    at_chance = min(curve.end, curve.val[-1]) >= COLLAPSED_LOSS * curve.chance_loss
    if at_chance and not curve.falls_steadily:
        return f"the training loss has hardly moved, from {curve.train[0]:.4g} to {curve.train[-1]:.4g}"
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
