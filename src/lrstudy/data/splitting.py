"""The split into training, validation and test: stratified, with a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrstudy.errors import DataError
from lrstudy.formatting import quote, setting_error

# The share of validation, and that of test, of a data set without splits of its own.
HELD_OUT = 0.15
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Labelling:
    """The labels and splits of a source's images.

    `labels`, int64 `(n,)`, index `classes`; -1 is an image that is left out. `splits`, text `(n,)`, is the split that
    the source itself puts an image in, or `""` in all rows if it has no splits.
    """

    labels: np.ndarray
    splits: np.ndarray
    classes: tuple[str, ...]


def split(labelling: Labelling, seed: int, name: str) -> dict[str, np.ndarray]:
    """Return the row numbers, int64 and ascending, of each split.

    Args:
        labelling: of the images.
        seed: of the splits that the source does not have.
        name: of the data, for errors.

    Raises:
        DataError: a class is too small to be in every split.
    """
    labels, classes = labelling.labels, labelling.classes
    rows = np.flatnonzero(labels >= 0)
    splits = {name: rows[labelling.splits[rows] == name] for name in SPLITS}
    if not labelling.splits.astype(bool).any():
        splits["train"] = rows
    missing = [name for name in ("test", "validation") if not splits[name].size]
    share = HELD_OUT
    for held_out in missing:
        splits["train"], splits[held_out] = _hold_out(splits["train"], labels, share, seed, (name, classes))
        share = HELD_OUT / (1 - HELD_OUT)
    for drawn in ("train", *missing):
        _check_classes(labels[splits[drawn]], labels[rows], (name, classes))
    return {name: np.sort(splits[name]) for name in SPLITS}


def _hold_out(
    rows: np.ndarray, labels: np.ndarray, share: float, seed: int, data: tuple[str, Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import train_test_split

    try:
        rest, held_out = train_test_split(rows, test_size=share, stratify=labels[rows], random_state=seed)
    except ValueError:  # fewer images than classes, or a class of one
        raise _too_small(labels[rows], *data) from None
    return rest, held_out


def _check_classes(labels: np.ndarray, all_labels: np.ndarray, data: tuple[str, Sequence[str]]) -> None:
    if (np.bincount(labels, minlength=len(data[1])) == 0).any():
        raise _too_small(all_labels, *data)


def _too_small(labels: np.ndarray, name: str, classes: Sequence[str]) -> DataError:
    counts = np.bincount(labels, minlength=len(classes))
    smallest = int(counts.argmin())
    enough = int(np.ceil(1 / HELD_OUT))
    problem = (
        f": class {quote(classes[smallest])} has {counts[smallest]} usable images, too few for one in each of "
        f"training, validation and test; {enough} are enough."
    )
    return DataError(setting_error("data", name, problem))
