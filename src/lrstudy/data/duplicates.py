"""Images with equal pixels: in two splits they inflate the held-out scores, in two classes they contradict."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lrstudy.data.pixels import gather
from lrstudy.formatting import join_and, pluralize

# The artifact that lists them.
TABLE = "duplicates.json"
ROWS_PER_READ = 1024
# An odd number without a pattern: the golden ratio's digits.
MULTIPLIER = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class DuplicateImage:
    """An image whose pixels are also in another split or class; `copy` numbers the images with the same pixels."""

    copy: int
    row: int
    path: str
    class_name: str
    split: str


@dataclass(frozen=True)
class Duplicates:
    """The copies in a data set.

    `images` are those with copies in another split or class, `across_splits` and `across_classes` count them.
    `harmless` counts the redundant copies within one split and class.
    """

    images: tuple[DuplicateImage, ...] = ()
    across_splits: int = 0
    across_classes: int = 0
    harmless: int = 0

    @property
    def droppable(self) -> list[int]:
        """The rows that `duplicates=drop` drops: copies in the training split, never in validation or test."""
        return [image.row for image in self.images if image.split == "train"]

    def describe(self, *, dropped: bool) -> Iterator[str]:
        """Yield a sentence on the copies in another split or class, if there are any."""
        if not self.images:
            return
        kinds = {"split": self.across_splits, "class": self.across_classes}
        where = join_and([f"{count} in another {kind}" for kind, count in kinds.items() if count])
        sentence = f"{len(self.images)} images have copies with the same pixels, {where}; {TABLE} lists them; "
        if dropped:
            yield f"{sentence}{pluralize(len(self.droppable), 'of them is', 'of them are')} dropped from training"
        else:
            yield f"{sentence}duplicates=drop leaves such images out of training"


NO_DUPLICATES = Duplicates()


def find_duplicates(
    images: np.ndarray,
    sums: np.ndarray,
    labels: np.ndarray,
    split_of_row: np.ndarray,
    describe: Callable[[int], tuple[str, str, str]],
) -> Duplicates:
    """Return the images with equal pixels.

    Args:
        images: uint8 `(n, side, side, channels)`.
        sums: the images' `channel_sums`; only images with equal sums are read.
        labels: int64 `(n,)`.
        split_of_row: int64 `(n,)`; -1 is an image that is left out.
        describe: returns the path, the class and the split of a row.
    """
    used = np.flatnonzero(split_of_row >= 0)
    rows = used[_is_repeated(_mix(sums[used]))]
    hashes = _hashes(images, rows)
    is_copy = _is_repeated(hashes)
    rows, hashes = rows[is_copy], hashes[is_copy]
    _, copies, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    in_splits, in_classes = (_is_in_several(copies, values[rows]) for values in (split_of_row, labels))
    is_listed = (in_splits | in_classes)[copies]
    numbers = {copy: number for number, copy in enumerate(dict.fromkeys(copies[is_listed].tolist()), 1)}
    listed = [
        DuplicateImage(numbers[copy], row, *describe(row))
        for copy, row in zip(copies[is_listed].tolist(), rows[is_listed].tolist(), strict=True)
    ]
    return Duplicates(
        images=tuple(sorted(listed, key=lambda image: image.copy)),
        across_splits=int(in_splits[copies].sum()),
        across_classes=int(in_classes[copies].sum()),
        harmless=int((counts - 1)[~(in_splits | in_classes)].sum()),
    )


def _mix(sums: np.ndarray) -> np.ndarray:
    """Return a hash per image of its sums, uint64 `(n, 2, channels)`; different sums rarely have equal hashes."""
    columns = sums.reshape(len(sums), -1)
    return columns @ np.array([MULTIPLIER ** (2 * power + 1) % 2**64 for power in range(columns.shape[1])], np.uint64)


def _hashes(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return a hash of the pixels of each of `rows`, uint64 `(n,)`."""
    hashes = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), ROWS_PER_READ):
        pixels = gather(images, rows[start : start + ROWS_PER_READ])
        digests = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in pixels]
        hashes[start : start + len(pixels)] = np.frombuffer(b"".join(digests), np.uint64)
    return hashes


def _is_repeated(values: np.ndarray) -> np.ndarray:
    """Return, for each of `values`, whether it occurs more than once."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    repeated: np.ndarray = (counts > 1)[inverse]
    return repeated


def _is_in_several(copies: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return, per kind of pixels, whether its images have several `values`."""
    pairs = np.unique(np.stack([copies, values]), axis=1)
    several: np.ndarray = np.bincount(pairs[0], minlength=copies.max(initial=-1) + 1) > 1
    return several
