"""The range of losses that a figure shows: below and around the loss of guessing, where something happens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

# The axis is logarithmic if the loss of guessing is more than this multiple of the lowest loss shown.
LOG_RATIO = 20.0
# Losses below the best validation loss by more than this factor are not shown: training losses of a network that has
# memorised its images have no bottom.
BELOW_BEST = 20.0
# The untrained networks begin at most at this multiple of the loss of guessing; their loss is left out otherwise.
MAX_ABOVE_GUESSING = 4.0
# The least part of the loss of guessing that an axis spans, so that noise is not drawn as large as progress.
MIN_SPAN = 0.05
# The space above the loss of guessing, as a part of the range below it, and the space below the lowest loss.
ABOVE, BELOW = 0.3, 0.06


class StartLoss(NamedTuple):
    """Losses before learning in nats, NaN where unknown: of a guess that ignores the image, and of untrained networks.

    Where classes are imbalanced the guess is better than an untrained network, at which the curves begin.
    """

    guessing: float
    untrained: float

    @property
    def top(self) -> float:
        """The loss below which something is learned, and from which the curves begin."""
        near = [self.untrained] if not self.untrained > MAX_ABOVE_GUESSING * self.guessing else []
        return max((loss for loss in (self.guessing, *near) if math.isfinite(loss)), default=math.nan)


class LossRange(NamedTuple):
    """The ends of an axis for losses in nats, and whether it is logarithmic."""

    low: float
    high: float
    log: bool


def loss_range(losses: np.ndarray, best: float, start: StartLoss) -> LossRange:
    """Return the range that is shown.

    Args:
        losses: all that are drawn, of training and of validation; those that are not finite do not count.
        best: the lowest validation loss; NaN if unknown.
        start: the losses before learning.
    """
    known = losses[np.isfinite(losses) & (losses >= 0)]
    if not known.size:
        return LossRange(0.0, 1.0, log=False)
    top = start.top if start.top > 0 else float(np.median(known))
    low = max(float(known.min()), best / BELOW_BEST if math.isfinite(best) else 0.0)
    if low >= top:  # all that is drawn is worse than guessing
        top = float(known.max())
    low = min(low, (1 - MIN_SPAN) * top)
    if low > 0 and top / low > LOG_RATIO:
        return LossRange(low / 1.15, top * 1.8, log=True)
    span = top - low
    return LossRange(max(0.0, low - BELOW * span), top + ABOVE * span or 1.0, log=False)


def mark_cuts(axes: Axes, steps: Sequence[float], losses: np.ndarray, shown: LossRange, colour: Any) -> None:
    """Mark where a curve leaves the range, by triangles on the edge."""
    for outside, edge, marker in ((losses > shown.high, shown.high, "^"), (losses < shown.low, shown.low, "v")):
        starts = np.flatnonzero(outside & ~np.concatenate([[False], outside[:-1]])).tolist()
        at = [steps[index] for index in starts]
        if at:
            axes.plot(at, [edge] * len(at), marker, color=colour, markersize=5, clip_on=False, zorder=4)
