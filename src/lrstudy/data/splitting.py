"""The split into training, validation and test: stratified, with a seed of its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lrstudy.data.grouping import Groups
from lrstudy.errors import DataError
from lrstudy.formatting import join_and, pluralize, quote, setting_error

# The share of validation, and that of test, of a data set without splits of its own.
HELD_OUT = 0.15
SPLITS = ("train", "validation", "test")
# Stratifying more groups than this takes many seconds; random draws of that many are nearly stratified.
MAX_STRATIFIED_GROUPS = 500
DRAWS = 10
MAX_NAMED_CLASSES = 3


@dataclass(frozen=True, eq=False)
class Labelling:
    """The labels and splits of a source's images.

    `labels`, int64 `(n,)`, index `classes`; -1 is an image that is left out. `splits`, text `(n,)`, is the split that
    the source itself puts an image in, or `""` in all rows if it has no splits. The images of a group are all
    in one split.
    """

    labels: np.ndarray
    splits: np.ndarray
    classes: tuple[str, ...]
    groups: Groups | None = None


def split(labelling: Labelling, seed: int, name: str) -> dict[str, np.ndarray]:
    """Return the row numbers, int64 and ascending, of each split.

    Args:
        labelling: of the images.
        seed: of the splits that the source does not have.
        name: of the data, for errors.

    Raises:
        DataError: a class is too small to be in every split.
    """
    labels = labelling.labels
    rows = np.flatnonzero(labels >= 0)
    splits = {name: rows[labelling.splits[rows] == name] for name in SPLITS}
    if not labelling.splits.astype(bool).any():
        splits["train"] = rows
    missing = [name for name in ("test", "validation") if not splits[name].size]
    share = HELD_OUT
    for number, held_out in enumerate(missing):
        if labelling.groups:
            _check_groups(labelling.groups, splits["train"], len(missing) - number)
        splits["train"], splits[held_out] = _hold_out(splits["train"], labelling, share, seed, name)
        share = HELD_OUT / (1 - HELD_OUT)
    for drawn in ("train", *([] if labelling.groups else missing)):
        _check_classes(splits[drawn], rows, labelling, name)
    return {name: np.sort(splits[name]) for name in SPLITS}


def missing_classes(labels: np.ndarray, splits: dict[str, np.ndarray], classes: tuple[str, ...]) -> Iterator[str]:
    """Yield a sentence for each split that lacks classes."""
    for split_name in SPLITS[1:]:
        counts = np.bincount(labels[splits[split_name]], minlength=len(classes))
        absent = [quote(classes[label]) for label in np.flatnonzero(counts == 0)]
        if absent:
            noun = "class" if len(absent) == 1 else "classes"
            names = join_and(absent[:MAX_NAMED_CLASSES], len(absent))
            yield f"the {split_name} split has no images of the {noun} {names}"


def _hold_out(
    rows: np.ndarray, labelling: Labelling, share: float, seed: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    if labelling.groups:
        return _hold_out_groups(rows, labelling.labels, labelling.groups.numbers, share, seed)
    from sklearn.model_selection import train_test_split

    labels = labelling.labels[rows]
    try:
        rest, held_out = train_test_split(rows, test_size=share, stratify=labels, random_state=seed)
    except ValueError:  # fewer images than classes, or a class of one
        raise _too_small(rows, labelling, name) from None
    return rest, held_out


def _hold_out_groups(
    rows: np.ndarray, labels: np.ndarray, groups: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out whole groups: of scikit-learn's draws, the one that keeps most classes and is closest to `share`."""
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    count, largest_class = len(np.unique(groups[rows])), int(np.bincount(labels[rows]).max())
    folds = min(round(1 / share), count, largest_class)
    if folds > 1 and count <= MAX_STRATIFIED_GROUPS:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    else:
        splitter = GroupShuffleSplit(DRAWS, test_size=share, random_state=seed)

    def fitness(draw: tuple[np.ndarray, np.ndarray]) -> tuple[int, int, float]:
        kept, held = (len(np.unique(labels[part])) for part in draw)
        return -kept, -held, abs(len(draw[1]) / len(rows) - share)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # it may be in fewer splits
        draws = [(rows[rest], rows[held_out]) for rest, held_out in splitter.split(rows, labels[rows], groups[rows])]
    return min(draws, key=fitness)


def _check_groups(groups: Groups, rows: np.ndarray, splits_to_draw: int) -> None:
    count = len(np.unique(groups.numbers[rows]))
    if count <= splits_to_draw:
        problem = f"makes {pluralize(count, 'group')} of the images to split; {splits_to_draw + 1} or more are needed."
        raise DataError(setting_error("groups", groups.pattern, problem))


def _check_classes(rows: np.ndarray, all_rows: np.ndarray, labelling: Labelling, name: str) -> None:
    if (np.bincount(labelling.labels[rows], minlength=len(labelling.classes)) == 0).any():
        raise _too_small(all_rows, labelling, name)


def _too_small(rows: np.ndarray, labelling: Labelling, name: str) -> DataError:
    labels, classes = labelling.labels[rows], labelling.classes
    counts = np.bincount(labels, minlength=len(classes))
    if labelling.groups:
        pairs = np.unique(np.stack([labels, labelling.groups.numbers[rows]]), axis=1)
        counts = np.bincount(pairs[0], minlength=len(classes))
        smallest = int(counts.argmin())
        problem = f": class {quote(classes[smallest])} has images in {pluralize(counts[smallest], 'group')}, too few."
        return DataError(setting_error("groups", labelling.groups.pattern, problem))
    smallest = int(counts.argmin())
    enough = int(np.ceil(1 / HELD_OUT))
    problem = (
        f": class {quote(classes[smallest])} has {pluralize(counts[smallest], 'usable image')}, too few for one in "
        f"each of training, validation and test; {enough} are enough."
    )
    return DataError(setting_error("data", name, problem))
