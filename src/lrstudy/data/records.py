"""Records that the data package returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lrstudy.data.duplicates import NO_DUPLICATES, Duplicates
from lrstudy.data.value_ranges import Ranges


@dataclass(frozen=True)
class BadImage:
    """An unusable image file: its path within the data folder, and the reason in words."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set that is ready for training.

    `images` is uint8 `(N, side, side, channels)`, memory-mapped and read-only if it was decoded from files, and
    `labels` int64 `(N,)`, an index into `classes`. `train`, `validation` and `test` are row numbers into both, int64
    and ascending; rows of skipped images are in none of them. `mean` and `std` are per channel, over the training split
    alone, in units of 0 to 255; a deviation of 0 is stored as 1. `digest`, 32 hex digits, covers everything that
    affects a training: pixels, labels, names of classes and splits. `remarks` are sentences on how the files' pixels
    were read, by the version `preprocessing` of that code. `files_state` is that of a folder's files as they were read;
    it is empty for a named data set. `warnings` are sentences on what may be wrong with the data, and
    `duplicates` the copies in other splits and classes. `ranges` are the values that became black and white, by the
    kind of samples of more than 8 bits.
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
    preprocessing: int
    bad_images: tuple[BadImage, ...] = ()
    skipped_files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    files_state: str = ""
    warnings: tuple[str, ...] = ()
    duplicates: Duplicates = NO_DUPLICATES
    ranges: Ranges = field(default_factory=dict)
