"""Reduce samples of more than 8 bits, whose black and white no standard defines, to 8 bits.

All images of a data set share one range per kind of sample: with a range per image, dark and bright images would
look the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

# The values that become black and white, by the kind of sample.
Ranges = Mapping[str, tuple[float, float]]
INTEGERS, FLOATS = "whole-number", "floating-point"
# The white of each kind of sample, by an upper limit of the highest value; None is the highest value itself.
WHITES: Mapping[str, Mapping[float, float | None]] = {
    INTEGERS: {255: 255.0, 4095: 4095.0, 65535: 65535.0},
    FLOATS: {1: 1.0, 16: None, 255: 255.0},
}
VALUES_OF_16_BITS = 2**16


@dataclass(frozen=True)
class Extent:
    """The lowest and the highest value of the samples of one or several images, all of one kind."""

    kind: str
    low: float
    high: float

    @property
    def black_and_white(self) -> tuple[float, float]:
        """The values that become black and white.

        Integers have the fewest of 8, 12 and 16 bits that hold the highest value. Floats up to 1 are shares of white,
        those up to 16 shares of their highest value, and those up to 255 are 8-bit values. With values above these
        limits or below 0, the lowest becomes black and the highest white.
        """
        whites = WHITES[self.kind]
        white = next((white or self.high for limit, white in whites.items() if self.high <= limit), None)
        return (0.0, white) if self.low >= 0 and white is not None else (self.low, self.high)


def measure(values: np.ndarray, declared_white: float | None) -> Extent:
    """Return the extent of an image's samples; a white that its file declares counts as its highest value."""
    finite = np.isfinite(values) if values.dtype.kind == "f" else None
    known = values if finite is None or finite.all() else values[finite]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    return Extent(FLOATS if values.dtype.kind == "f" else INTEGERS, low, declared_white or high)


def merge(extents: Iterable[Extent]) -> dict[str, Extent]:
    """Return the extent of all images together, by the kind of sample."""
    merged: dict[str, Extent] = {}
    for extent in extents:
        known = merged.get(extent.kind, extent)
        merged[extent.kind] = Extent(extent.kind, min(known.low, extent.low), max(known.high, extent.high))
    return merged


def to_8_bit(values: np.ndarray, black: float, white: float) -> np.ndarray:
    """Return samples of any kind as uint8: `black` becomes 0 and `white` 255."""
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        by_value: np.ndarray = _scale(np.arange(VALUES_OF_16_BITS), black, white)[values]
        return by_value
    return _scale(values, black, white)


def _scale(values: np.ndarray, black: float, white: float) -> np.ndarray:
    scaled = values.astype(np.float32)  # from here on in place: the largest images leave no memory for more copies
    scaled -= black
    scaled *= 255 / ((white - black) or 1.0)
    np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    rounded: np.ndarray = np.rint(scaled.clip(0, 255, out=scaled), out=scaled).astype(np.uint8)
    return rounded
