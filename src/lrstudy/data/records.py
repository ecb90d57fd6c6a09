"""What the data package's functions hand to each other and to the rest of the program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BadImage:
    """A file that should be an image and cannot be used: its path within the data folder, and why, in words."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set, ready to be trained on.

    `images` is uint8 `(N, side, side, channels)`, memory-mapped and read-only where it was decoded from files, and
    `labels` int64 `(N,)`, an index into `classes`. `train`, `validation` and `test` are row numbers into both, int64
    and ascending; rows of images that were left out are in none of them. `mean` and `std` are a channel's over the
    training part alone, in units of 0 to 255; a deviation of 0 is given as 1. `digest`, 32 hex digits, is of all that a
    training sees: pixels, labels, names of classes and split.
    """

    name: str
    source: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    digest: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bad_images: tuple[BadImage, ...] = ()
    skipped_files: tuple[str, ...] = ()
