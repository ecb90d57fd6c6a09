"""Judge from the validation loss whether a training has converged."""

from __future__ import annotations

import math
from collections.abc import Sequence

# A training still improves if the lowest validation loss of this last share of its epochs…
LAST_PART = 0.25
# … is lower than that of all epochs before, by at least this share of it, …
MIN_GAIN = 0.003
# … and is in this last share: a curve whose minimum is earlier has turned.
BEST_PART = 0.1


def still_improves(val_loss: Sequence[float]) -> bool:
    """Return True if more epochs would probably lower the validation loss, given per epoch from epoch 0 on."""
    steps = len(val_loss) - 1
    if steps < 1 or not all(map(math.isfinite, val_loss)):
        return False
    part = max(1, round(LAST_PART * steps))
    before, after = min(val_loss[:-part]), min(val_loss[-part:])
    best = max(epoch for epoch, loss in enumerate(val_loss) if loss == after)
    return before - after >= MIN_GAIN * before and best >= steps - max(0, round(BEST_PART * steps))
