"""Format numbers, lists and settings for readers, in the terminal and in the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from difflib import get_close_matches

NOTHING = "–"
MAX_NAME = 24


def pluralize(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def join_and(items: Sequence[str], of: int = 0) -> str:
    """`a, b and c`; where `items` are the first of more, `a, b, c and 4 more`."""
    rest = [f"{of - len(items)} more"] if of > len(items) else []
    *most, last = [*items, *rest]
    return f"{', '.join(most)} and {last}" if most else last


def truncate(name: str) -> str:
    """A name as long as a figure has room for."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def format_lr(lr: float) -> str:
    """A learning rate with three digits, `0.001` or `3.16e-05`."""
    return f"{lr:.3g}"


def format_loss(value: float) -> str:
    """A loss with four digits."""
    if math.isnan(value):
        return NOTHING
    return f"{value:.4g}" if math.isfinite(value) else "∞" if value > 0 else "-∞"


def format_percent(value: float) -> str:
    """A share with one decimal."""
    return NOTHING if math.isnan(value) else f"{value:.1%}"


def format_epochs(value: float) -> str:
    """A number of epochs; `never` where it is infinite."""
    if math.isnan(value):
        return NOTHING
    return f"{value:.0f}" if math.isfinite(value) else "never"


def format_with_deviation(mean: float, deviation: float, show: Callable[[float], str]) -> str:
    """`0.089 ± 0.013`: a mean and, where it is known, the standard deviation or a margin, with two digits of it."""
    if not (math.isfinite(mean) and math.isfinite(deviation)):
        return show(mean)
    if show is format_percent:
        return f"{show(mean)} ± {show(deviation) if deviation >= 0.0005 else '<0.1%'}"
    if deviation < 1e-12 * abs(mean) or deviation == 0:  # the first can be what rounding leaves of the second
        return f"{show(mean)} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(deviation)))
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


def format_setting(value: object) -> str:
    """`value` as it is typed: `(256, 128)` is `256,128`, `((8,), (4,))` is `8;4`, `0.0` is `0`, `True` is `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return (";" if value and isinstance(value[0], tuple) else ",").join(format_setting(part) for part in value)
    if isinstance(value, float):
        text = f"{value:.15g}"
        return text if float(text) == value else repr(value)
    # Names of files may hold bytes that are no text, which a tracking server would refuse.
    return str(value).encode("utf-8", "replace").decode()


def did_you_mean(value: str, known: list[str]) -> str:
    """The clause that tells what would be right instead of `value`: near names, or all of them."""
    near = get_close_matches(value.lower(), known, n=4, cutoff=0.6)
    return f"did you mean {join_or(near)}?" if near else f"it must be {join_or(known)}."


def join_or(words: list[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def printable(name: str) -> str:
    """Return `name` as it can be printed, stored and sent: undecodable bytes as �, line breaks and the like escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(
        character if character.isprintable() or character in "\u200d\ufe0f" else repr(character)[1:-1]
        for character in text
    )
