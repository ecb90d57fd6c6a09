"""Rows of, and exact sums over, arrays of pixels that may be larger than memory."""

from __future__ import annotations

from math import sqrt

import numpy as np

from lrstudy.compat.numpy_internals import release_pages

# The pages of a larger memory-mapped array are released after each access.
MAX_RESIDENT_BYTES = 128 * 2**20
IMAGES_PER_SUM = 256


def gather(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return `images[rows]` as a new array; no page of a large memory-mapped array stays resident.

    Args:
        images: `(N, …)`.
        rows: int64 `(n,)`.
    """
    gathered = np.asarray(images[rows])
    if isinstance(images, np.memmap) and images.nbytes > MAX_RESIDENT_BYTES:
        release_pages(images)
    return gathered


def channel_sums(images: np.ndarray) -> np.ndarray:
    """Return each channel's sum and sum of squares, uint64 `(n, 2, channels)`, of `(n, height, width, channels)`."""
    sums = np.empty((len(images), 2, images.shape[3]), np.uint64)
    for start in range(0, len(images), IMAGES_PER_SUM):
        values = images[start : start + IMAGES_PER_SUM].astype(np.uint32)
        sums[start : start + len(values), 0] = values.sum(axis=(1, 2), dtype=np.uint64)
        sums[start : start + len(values), 1] = np.square(values).sum(axis=(1, 2), dtype=np.uint64)
    return sums


def mean_and_std(sums: np.ndarray, pixels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each channel's mean and standard deviation over several images, exact up to the last rounding.

    Args:
        sums: the images' `channel_sums`, uint64 `(n, 2, channels)`.
        pixels: per image.
    """
    count = len(sums) * pixels
    totals = sums.sum(axis=0).tolist()
    mean = tuple(first / count for first in totals[0])
    # Python's integers neither round nor overflow.
    std = tuple(sqrt(count * second - first**2) / count for first, second in zip(*totals, strict=True))
    return mean, tuple(deviation or 1.0 for deviation in std)
