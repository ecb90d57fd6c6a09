"""Numbers and lists as a reader wants them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cells import Spread

NOTHING = "–"
LONGEST_NAME = 24


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def joined(items: Sequence[str], of: int = 0) -> str:
    """`a, b and c`; where `items` are the first of more, `a, b, c and 4 more`."""
    rest = [f"{of - len(items)} more"] if of > len(items) else []
    *most, last = [*items, *rest]
    return f"{', '.join(most)} and {last}" if most else last


def shortened(name: str) -> str:
    """A name as long as a figure has room for."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def rate(lr: float) -> str:
    """A learning rate with three digits, `0.001` or `3.16e-05`."""
    return f"{lr:.3g}"


def loss(value: float) -> str:
    """A loss with four digits."""
    if math.isnan(value):
        return NOTHING
    return f"{value:.4g}" if math.isfinite(value) else "∞" if value > 0 else "-∞"


def percent(value: float) -> str:
    """A share with one decimal."""
    return NOTHING if math.isnan(value) else f"{value:.1%}"


def epochs(value: float) -> str:
    """A number of epochs; `never` where it is infinite."""
    if math.isnan(value):
        return NOTHING
    return f"{value:.0f}" if math.isfinite(value) else "never"


def with_deviation(mean: float, deviation: float, show: Callable[[float], str]) -> str:
    """`0.089 ± 0.013`: a mean and, where it is known, the standard deviation or a margin, with two digits of it."""
    if not (math.isfinite(mean) and math.isfinite(deviation)):
        return show(mean)
    if show is percent:
        return f"{show(mean)} ± {show(deviation) if deviation >= 0.0005 else '<0.1%'}"
    if deviation < 1e-12 * abs(mean) or deviation == 0:  # the first can be what rounding leaves of the second
        return f"{show(mean)} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(deviation)))
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


def spread(value: Spread, show: Callable[[float], str]) -> str:
    """A mean with its standard deviation."""
    return with_deviation(value.mean, value.deviation, show)
