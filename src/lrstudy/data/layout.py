"""The layout of a data folder: which of its folders are classes, and which are splits that contain class folders."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrstudy.data.directories import holds_images, subfolders
from lrstudy.data.split_names import EXAMPLES, is_filler, mentioned_split, usual_split
from lrstudy.data.splitting import SPLITS
from lrstudy.errors import DataError
from lrstudy.formatting import join_and, quote, setting_error

MAX_NAMED = 4


@dataclass(frozen=True)
class ClassFolder:
    """A folder of images of one class; `split` is `""` if the data folder has no splits of its own."""

    split: str
    name: str
    path: Path


@dataclass(frozen=True)
class Layout:
    """The class folders of a data folder, and all `containers`: the data folder and the folders between."""

    class_folders: tuple[ClassFolder, ...]
    containers: tuple[Path, ...]


def find_layout(folder: Path, layout: str) -> Layout:
    """Return the layout of `folder`.

    Args:
        folder: the data folder.
        layout: `classes` if its folders are classes, `splits` if they are splits, `auto` to decide by their names.

    Raises:
        DataError: the layout is ambiguous, or not the requested one.
    """
    if layout == "classes":
        return _classes(folder, subfolders(folder))
    containers = _unwrap(folder)
    found = _requested_splits(folder, containers[-1]) if layout == "splits" else _decide(folder, containers[-1])
    return Layout(found.class_folders, (*containers[:-1], *found.containers))


def class_name(path: Path) -> str:
    """Return the class of a folder: its name, in the composed form of Unicode, whichever form the disk has."""
    return unicodedata.normalize("NFC", path.name)


def _unwrap(folder: Path) -> list[Path]:
    """Return `folder` and, while it contains a single folder that leads to a train split, that folder."""
    chain = [folder]
    while len(inner := subfolders(chain[-1])) == 1 and not usual_split(inner[0].name):
        names = [path.name for path in subfolders(inner[0])]
        if inner[0].resolve() in [path.resolve() for path in chain] or not names:
            return [folder]
        chain.append(inner[0])
        if any(usual_split(name) == "train" for name in names):
            return chain
    return [folder]


def _decide(folder: Path, top: Path) -> Layout:
    """Return the layout that the names of the folders in `top` imply; raise DataError if it is ambiguous."""
    folders = subfolders(top)
    splits = [path for path in folders if usual_split(path.name)]
    others = [path for path in folders if path not in splits and holds_images(path)]
    if splits and others:
        raise _error(folder, _only_some(splits, others))
    if splits:
        return _usual_splits(folder, top, splits)
    shared = _shared_names(folders)
    if len(shared) < 2:
        return _classes(top, folders)
    sharing = [path for path in folders if shared & {_kind(inner) for inner in _inner(path)}]
    mentioned = [mentioned_split(path.name) for path in sharing]
    if "train" in mentioned and None not in mentioned and sharing == [path for path in folders if holds_images(path)]:
        return _splits(folder, top, sharing)
    raise _error(folder, _same_subfolders(sharing, shared))


def _usual_splits(folder: Path, top: Path, splits: Sequence[Path]) -> Layout:
    names = sorted({str(usual_split(path.name)) for path in splits}, key=SPLITS.index)
    if not any(subfolders(path) for path in splits):
        if len(splits) > 1 and any(holds_images(path) for path in splits):
            raise _error(
                folder,
                f": {_name(splits)} are usual names of splits, but have images instead of one folder per class; use "
                f"layout=classes to train these {len(splits)} classes, or move the images into class folders.",
            )
        return _classes(top, splits)
    if "train" not in names:
        have = f"the splits {join_and(names)}" if len(names) > 1 else f"the split {names[0]}"
        classes = f"; use layout=classes to train the classes {_name(splits)}" if len(splits) > 1 else ""
        raise _error(folder, f"has {have}, but none called train{classes}.")
    return _splits(folder, top, splits)


def _requested_splits(folder: Path, top: Path) -> Layout:
    folders = subfolders(top)
    splits = [path for path in folders if mentioned_split(path.name)]
    usual = [path for path in splits if usual_split(path.name)]
    if usual and any(mentioned_split(path.name) == "train" for path in usual):
        splits = usual
    if any(mentioned_split(path.name) == "train" and subfolders(path) for path in splits):
        return _splits(folder, top, splits)
    within = [path for path in folders if "train" in {usual_split(inner.name) for inner in subfolders(path)}]
    if within:
        return _splits_of_classes(top, within)
    problem = f"has no train split with one folder per class, as layout=splits needs; usual names are {EXAMPLES}."
    raise _error(folder, problem)


def _classes(top: Path, folders: Iterable[Path]) -> Layout:
    return Layout(tuple(ClassFolder("", class_name(path), path) for path in folders), (top,))


def _splits(folder: Path, top: Path, splits: Sequence[Path]) -> Layout:
    """Return the layout of splits that contain class folders."""
    by_split: dict[str, Path] = {}
    for path in splits:
        split = str(mentioned_split(path.name))
        if split in by_split:
            both = f"{quote(by_split[split].name)} and {quote(path.name)}"
            raise _error(folder, f"has two {split} splits, {both}; remove one of them, or use layout=classes.")
        by_split[split] = path
    class_folders, containers = list[ClassFolder](), [top]
    for split in sorted(by_split, key=SPLITS.index):
        chain = _unwrap_repeated(by_split[split])
        containers += chain
        class_folders += [ClassFolder(split, class_name(path), path) for path in subfolders(chain[-1])]
    return Layout(tuple(class_folders), tuple(containers))


def _unwrap_repeated(path: Path) -> list[Path]:
    """Return a folder and, if it contains a single one with the same or a filler name, that folder."""
    inner = subfolders(path)
    if len(inner) == 1 and subfolders(inner[0]):
        name = inner[0].name
        if name == path.name or is_filler(name) or mentioned_split(name) == mentioned_split(path.name) is not None:
            return [path, inner[0]]
    return [path]


def _splits_of_classes(top: Path, folders: Sequence[Path]) -> Layout:
    """Return the layout of class folders that each contain splits."""
    found = [
        ClassFolder(split, class_name(path), inner)
        for path in folders
        for inner in subfolders(path)
        if (split := usual_split(inner.name))
    ]
    return Layout(tuple(sorted(found, key=lambda one: SPLITS.index(one.split))), (top, *folders))


def _shared_names(folders: Sequence[Path]) -> set[str]:
    """Return the names of folders with images that two or more, and more than half, of `folders` contain."""
    counts = Counter(kind for path in folders for kind in {_kind(inner) for inner in _inner(path)})
    likely = {kind for kind, count in counts.items() if count >= 2 and 2 * count > len(folders)}
    return likely if len(likely) < 2 else {kind for kind in likely if _with_images(folders, kind) >= 2}


def _with_images(folders: Sequence[Path], kind: str) -> int:
    """Return the number of `folders` that contain a folder of this kind with images."""
    inner = [[path for path in _inner(folder) if _kind(path) == kind] for folder in folders]
    return sum(any(holds_images(path) for path in paths) for paths in inner)


def _inner(path: Path) -> list[Path]:
    return subfolders(_unwrap_repeated(path)[-1])


def _kind(path: Path) -> str:
    """Return a folder's split, or else its name."""
    return usual_split(path.name) or class_name(path)


def _same_subfolders(sharing: Sequence[Path], shared: set[str]) -> str:
    names, both = _name(sharing), join_and([quote(name) for name in sorted(shared)[:MAX_NAMED]], len(shared))
    classes = f"use layout=classes to train the classes {names}"
    if not shared <= set(SPLITS):
        is_named = any(mentioned_split(path.name) for path in sharing)
        splits = "layout=splits" if is_named else "rename them to train, validation and test"
        return f": {names} contain the same folders, {both}; {classes}, or {splits} to train the classes {both}."
    if any(subfolders(inner) for inner in subfolders(sharing[0])):
        example = quote(str(sharing[0]))
        return f": {names} each contain the splits {both}; {classes}, or set data to one of them, such as {example}."
    return f": {names} each contain the splits {both}; {classes} and split them anew, or layout=splits to keep these."


def _only_some(splits: Sequence[Path], others: Sequence[Path]) -> str:
    count = len(splits) + len(others)
    return (
        f": {_name(splits)} {'is a usual name of a split' if len(splits) == 1 else 'are usual names of splits'}, "
        f"but {_name(others)} {'is' if len(others) == 1 else 'are'} not; use layout=classes to train "
        f"{count} classes, or layout=splits to train the classes within {_name(splits)} and pass over {_name(others)}."
    )


def _name(paths: Sequence[Path]) -> str:
    return join_and([quote(path.name) for path in paths[:MAX_NAMED]], len(paths))


def _error(folder: Path, problem: str) -> DataError:
    return DataError(setting_error("data", str(folder), problem))
