"""The split into training, validation and test: stratified, and fixed by a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrstudy.errors import DataError

HELD_OUT = 0.15  # of a set without parts of its own, the share of validation, and that of test
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Labelling:
    """What a source says of its images.

    `labels`, int64 `(n,)`, index `classes`; -1 is an image left out. `parts`, text `(n,)`, is the part that the source
    itself puts an image in, or `""` in all rows where it has no parts.
    """

    labels: np.ndarray
    parts: np.ndarray
    classes: tuple[str, ...]


def split(labelling: Labelling, seed: int, name: str) -> dict[str, np.ndarray]:
    """Row numbers, int64 and ascending, of each part.

    Args:
        labelling: of the images.
        seed: of the split, where the source leaves it open.
        name: of the data, for errors.

    Raises:
        DataError: a class is too small to be in every part.
    """
    labels, classes = labelling.labels, labelling.classes
    rows = np.flatnonzero(labels >= 0)
    own = {part: rows[labelling.parts[rows] == part] for part in SPLITS}
    if not labelling.parts.astype(bool).any():
        own["train"] = rows
    lacking = [part for part in ("test", "validation") if not own[part].size]
    share = HELD_OUT
    for part in lacking:
        own["train"], own[part] = _carve(own["train"], labels, share, seed, (name, classes))
        share = HELD_OUT / (1 - HELD_OUT)
    for part in ("train", *lacking):
        _check(labels[own[part]], labels[rows], (name, classes))
    return {part: np.sort(own[part]) for part in SPLITS}


def _carve(
    rows: np.ndarray, labels: np.ndarray, share: float, seed: int, what: tuple[str, Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import train_test_split

    try:
        kept, carved = train_test_split(rows, test_size=share, stratify=labels[rows], random_state=seed)
    except ValueError:  # fewer images than classes, or a class of one
        raise _too_small(labels[rows], *what) from None
    return kept, carved


def _check(part: np.ndarray, everything: np.ndarray, what: tuple[str, Sequence[str]]) -> None:
    if (np.bincount(part, minlength=len(what[1])) == 0).any():
        raise _too_small(everything, *what)


def _too_small(labels: np.ndarray, name: str, classes: Sequence[str]) -> DataError:
    counts = np.bincount(labels, minlength=len(classes))
    smallest = int(counts.argmin())
    enough = int(np.ceil(1 / HELD_OUT))
    return DataError(
        f"data={name}: class {classes[smallest]} has {counts[smallest]} usable images, too few for one in each of "
        f"training, validation and test; {enough} are enough."
    )
