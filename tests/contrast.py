"""The contrast of two colours: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""

from collections.abc import Sequence


def contrast(colour: Sequence[float], other: Sequence[float]) -> float:
    """Return the contrast of two colours, red, green and blue from 0 to 1."""
    low, high = sorted((_luminance(colour), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Sequence[float]) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
