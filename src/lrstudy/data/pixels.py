"""Pixels in arrays that may be larger than memory: taking rows of them, and exact sums over them."""

from __future__ import annotations

import mmap
from math import sqrt

import numpy as np

# A memory-mapped array above this size has its pages let go after each look into it. They stay in the system's cache
# of the file; but counted as this process's, they would grow to the size of the whole array.
LET_GO_BYTES = 128 * 2**20
SUMMED_AT_ONCE = 256


def gather(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`images[rows]` as an array of its own. Of a memory-mapped array no page stays resident.

    Args:
        images: `(N, …)`.
        rows: int64 `(n,)`.
    """
    taken = np.asarray(images[rows])
    if isinstance(images, np.memmap) and images.nbytes > LET_GO_BYTES and hasattr(mmap, "MADV_DONTNEED"):
        images._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # numpy has no public name for it
    return taken


def channel_sums(images: np.ndarray) -> np.ndarray:
    """Each channel's sum and sum of squares, uint64 `(n, 2, channels)`, of images `(n, height, width, channels)`."""
    sums = np.empty((len(images), 2, images.shape[3]), np.uint64)
    for start in range(0, len(images), SUMMED_AT_ONCE):
        values = images[start : start + SUMMED_AT_ONCE].astype(np.uint32)
        sums[start : start + len(values), 0] = values.sum(axis=(1, 2), dtype=np.uint64)
        sums[start : start + len(values), 1] = np.square(values).sum(axis=(1, 2), dtype=np.uint64)
    return sums


def mean_and_std(sums: np.ndarray, pixels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Each channel's mean and deviation over all of some images, exact but for the last rounding.

    Args:
        sums: the images' `channel_sums`, uint64 `(n, 2, channels)`.
        pixels: how many an image has.
    """
    count = len(sums) * pixels
    totals = sums.sum(axis=0).tolist()
    mean = tuple(first / count for first in totals[0])
    # In Python's whole numbers, which neither round nor overflow.
    std = tuple(sqrt(count * second - first**2) / count for first, second in zip(*totals, strict=True))
    return mean, tuple(one or 1.0 for one in std)
