"""Format numbers, lists, settings and errors about settings for readers, in the terminal and in the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from difflib import get_close_matches

NOTHING = "–"
MAX_NAME = 24
# All versions of MLflow accept a tag of this length.
MAX_TAG_LENGTH = 5000
MAX_QUOTED = 200
# More digits of a mean than these say nothing, however small its deviation.
MAX_DIGITS = 5

# The beginning of the commands that are printed for the user to run next.
MLFLOW_RUN = "mlflow run . --env-manager uv"


def pluralize(number: int, noun: str, nouns: str | None = None) -> str:
    """Return `1 seed` or `2 seeds`."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def join_and(items: Sequence[str], of: int = 0) -> str:
    """Return `a, b and c`; if `items` are the first of more, `a, b, c and 4 more`."""
    rest = [f"{of - len(items)} more"] if of > len(items) else []
    *most, last = [*items, *rest]
    return f"{', '.join(most)} and {last}" if most else last


def join_or(items: Sequence[str]) -> str:
    """Return `a, b or c`."""
    return " or ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def truncate(name: str) -> str:
    """Shorten a name to the length that a figure has room for."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def format_lr(lr: float) -> str:
    """Format a learning rate with three digits: `0.001` or `3.16e-05`."""
    return f"{lr:.3g}"


def format_loss(value: float) -> str:
    """Format a loss with four digits."""
    if math.isnan(value):
        return NOTHING
    return f"{value:.4g}" if math.isfinite(value) else "∞" if value > 0 else "-∞"


def format_percent(value: float) -> str:
    """Format a share with one decimal."""
    return NOTHING if math.isnan(value) else f"{value:.1%}"


def format_epochs(value: float) -> str:
    """Format a number of epochs; infinity is `never`."""
    if math.isnan(value):
        return NOTHING
    return f"{value:.0f}" if math.isfinite(value) else "never"


def format_with_deviation(mean: float, deviation: float, show: Callable[[float], str]) -> str:
    """Format a mean with its standard deviation or margin, if known, to two digits of the latter: `0.089 ± 0.013`.

    The mean has at most `MAX_DIGITS` digits.
    """
    if not (math.isfinite(mean) and math.isfinite(deviation)):
        return show(mean)
    if show is format_percent:
        return f"{show(mean)} ± {'<0.1%' if 1e-12 < deviation < 0.0005 else show(deviation)}"
    if deviation < 1e-12 * abs(mean) or deviation == 0:  # rounding errors can make the first of a zero
        return f"{show(mean)} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(deviation)))
    most = MAX_DIGITS - 1 - math.floor(math.log10(abs(mean))) if mean else decimals
    if decimals > most >= 0:
        smallest = 10.0**-most
        return f"{mean:.{most}f} ± {f'{deviation:.{most}f}' if deviation >= smallest else f'<{smallest:.{most}f}'}"
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


def format_setting(value: object) -> str:
    """Format `value` as a user types it: `256,128` for `(256, 128)`, `8;4` for `((8,), (4,))`, `true` for `True`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return (";" if value and isinstance(value[0], tuple) else ",").join(format_setting(part) for part in value)
    if isinstance(value, float):
        text = f"{value:.15g}"
        return text if float(text) == value else repr(value)
    # Names of files may hold bytes that are not text; a tracking server would reject them.
    return str(value).encode("utf-8", "replace").decode()


def quote(text: str) -> str:
    """Return `text` in quotes as an error echoes it: on one line, and shortened if it is long."""
    return f"'{printable(text if len(text) <= MAX_QUOTED else f'{text[:MAX_QUOTED]}…')}'"


def setting_error(name: str, value: object, problem: str) -> str:
    """Return an error about a setting, the value echoed as typed: `optimizer='adm' is not a known optimizer`.

    Args:
        name: of the setting.
        value: as typed, or parsed.
        problem: the rest of the sentence; it begins with a verb, or with a colon.
    """
    echo = f"{name}={quote(value if isinstance(value, str) else format_setting(value))}"
    return f"{echo}{problem}" if problem.startswith(":") else f"{echo} {problem}"


def did_you_mean(value: str, known: Sequence[str]) -> str:
    """Return the clause that suggests a correction of `value`: similar names, or all of them if none is similar."""
    similar = get_close_matches(value.lower(), known, n=4, cutoff=0.6)
    names = join_or([quote(name) for name in similar or known])
    return f"did you mean {names}?" if similar else f"it must be {names}."


def printable(name: str) -> str:
    """Return `name` as it can be printed, stored and sent: undecodable bytes as �, line breaks and the like escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(
        character if character.isprintable() or character in "\u200d\ufe0f" else repr(character)[1:-1]
        for character in text
    )
