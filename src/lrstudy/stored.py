"""Numbers as a tracking server gives them back: NaN stays NaN, an infinity is the largest finite number."""

from __future__ import annotations

import math
import sys


def as_stored(value: float) -> float:
    """What the server gives back of a metric's `value`."""
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value


def is_stored(value: float, stored: float | None) -> bool:
    """Whether `stored`, which the server has, is all the bits of `value`; any NaN is like any other."""
    if stored is None:
        return False
    return as_stored(value) == as_stored(stored) or (math.isnan(value) and math.isnan(stored))
