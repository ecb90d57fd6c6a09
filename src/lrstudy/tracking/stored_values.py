"""Numbers as a tracking server gives them back: NaN stays NaN, an infinity is the largest finite number."""

from __future__ import annotations

import math
import sys


def is_stored(value: float, stored: float | None) -> bool:
    """Whether `stored`, which the server has, is `value` in all its bits; any NaN is like any other."""
    if stored is None:
        return False
    return _as_stored(value) == _as_stored(stored) or (math.isnan(value) and math.isnan(stored))


def is_finite(stored: float) -> bool:
    """Whether `stored`, which the server has, was a finite number."""
    return math.isfinite(stored) and abs(stored) < sys.float_info.max


def _as_stored(value: float) -> float:
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value
