"""The files of a folder of class folders: images by class and split, and skipped files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lrstudy.data.directories import entries, is_folder, is_ignored, should_be_image, subfolders, walk
from lrstudy.data.layout import ClassFolder, Layout, find_layout
from lrstudy.errors import DataError
from lrstudy.formatting import pluralize, printable, quote, setting_error


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that should be an image: its path within the folder, its label, and its size and times."""

    path: str
    label: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True)
class Listing:
    """The files of a data folder, in the order of their paths.

    `splits` has the split of each file, or `""` if the folder has no splits of its own. `warnings` are sentences on
    images that are passed over.
    """

    folder: Path
    classes: tuple[str, ...]
    files: list[ImageFile]
    splits: list[str]
    skipped_files: tuple[str, ...]
    warnings: tuple[str, ...]


def list_folder(folder: Path, layout: str = "auto") -> Listing:
    """Return the images of `folder`, by class.

    Args:
        folder: the data folder.
        layout: `classes` if its folders are classes, `splits` if they are splits, `auto` to decide by their names.

    Raises:
        DataError: `folder` does not have two or more class folders with images in each, or its layout is ambiguous.
    """
    if not folder.exists():
        raise _error(folder, "does not exist.")
    if not folder.is_dir():
        raise _error(folder, "is a file; it must be a folder with one folder per class.")
    found = find_layout(folder, layout)
    classes = _classes(folder, found.class_folders)
    skipped_files = list(_outside_classes(folder, found))
    files: list[ImageFile] = []
    splits: list[str] = []
    for class_folder in found.class_folders:
        label = classes.index(class_folder.name)
        images = list(_images(folder, class_folder.path, label, skipped_files))
        if not images and class_folder.split in ("", "train"):
            raise _error(folder, f": the class folder {quote(str(class_folder.path))} has no images.")
        files += images
        splits += [class_folder.split] * len(images)
    names = tuple(printable(name) for name in classes)
    skipped = tuple(printable(name) for name in skipped_files)
    return Listing(folder, names, files, splits, skipped, tuple(_warnings(found)))


def _classes(folder: Path, class_folders: tuple[ClassFolder, ...]) -> list[str]:
    first = class_folders[0].split if class_folders else ""
    classes = sorted({one.name for one in class_folders if one.split == first})
    if not classes:
        raise _error(folder, "has no folders; it must have one per class, with its images.")
    if len(classes) == 1:
        raise _error(folder, f"has one class, {quote(classes[0])}; it must have two or more{_hint(class_folders[0])}.")
    for one in class_folders:
        if one.name not in classes:
            raise _error(folder, f": {quote(one.name)} is a class of its {one.split} split, but not of train.")
    return classes


def _hint(only: ClassFolder) -> str:
    """Return a clause that suggests the only class folder as the data folder, if it has two or more folders."""
    if only.split or len(subfolders(only.path)) < 2:
        return ""
    return f"; if the folders within it are the classes, set data to {quote(str(only.path))}"


def _outside_classes(folder: Path, layout: Layout) -> Iterator[str]:
    """Yield the files, and the empty or ignored folders, that are in no class folder, by their paths in `folder`."""
    known = {*layout.containers, *(one.path for one in layout.class_folders)}
    for container in layout.containers:
        for entry in entries(container):
            if Path(entry.path) in known:
                continue
            is_entered = is_folder(entry) and not is_ignored(entry)
            below = [file.path for file in walk(Path(entry.path), folder)] if is_entered else []
            yield from (os.path.relpath(path, folder) for path in below or [entry.path])


def _warnings(layout: Layout) -> Iterator[str]:
    """Yield a sentence for each split whose images are in no class folder, as an unlabelled test set has them."""
    filled = {one.path.parent for one in layout.class_folders}
    for container in layout.containers[1:]:
        if container not in filled and (images := sum(map(should_be_image, entries(container)))):
            yield (
                f"{quote(container.name)} has {pluralize(images, 'image')}, but no class folders: it is passed over, "
                "and the split is drawn from the training images"
            )


def _images(folder: Path, class_folder: Path, label: int, skipped_files: list[str]) -> Iterator[ImageFile]:
    for entry in sorted(walk(class_folder, folder), key=lambda entry: entry.path):
        path = os.path.relpath(entry.path, folder)
        if not should_be_image(entry):
            skipped_files.append(path)
            continue
        try:
            status = entry.stat()
        except OSError:  # a dangling link: reported with the broken images
            status = entry.stat(follow_symlinks=False)
        yield ImageFile(path, label, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _error(folder: Path, problem: str) -> DataError:
    return DataError(setting_error("data", str(folder), problem))
