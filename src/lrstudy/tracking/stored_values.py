"""Numbers as a tracking server returns them: NaN stays NaN, infinity becomes the largest finite number."""

from __future__ import annotations

import math
import sys


def is_stored(value: float, stored: float | None) -> bool:
    """Return True if `stored`, from the server, equals `value` in all bits; all NaNs are equal."""
    if stored is None:
        return False
    return _as_stored(value) == _as_stored(stored) or (math.isnan(value) and math.isnan(stored))


def is_finite(stored: float) -> bool:
    """Return True if `stored`, from the server, was logged as a finite number."""
    return math.isfinite(stored) and abs(stored) < sys.float_info.max


def _as_stored(value: float) -> float:
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value
