"""The files of a folder of class folders: images by class and split, and skipped files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lrstudy.errors import DataError
from lrstudy.formatting import printable, quote, setting_error

SPLIT_NAMES = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}

JUNK = {"thumbs.db", "desktop.ini", "__macosx"}
# The first bytes of common formats, for files whose names do not end like an image's.
MAGIC = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",  # TIFF
    b"MM\x00*",
    b"II+\x00",  # BigTIFF
    b"MM\x00+",
    b"\x00\x00\x00\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",
    b"8BPS\x00\x01",  # Photoshop
    b"qoif",
)
# The possible sizes of a BMP's second header: many texts begin with "BM".
BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}


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

    `splits` has the split of each file, or `""` if the folder has no splits of its own.
    """

    folder: Path
    classes: tuple[str, ...]
    files: list[ImageFile]
    splits: list[str]
    skipped_files: tuple[str, ...]


def list_folder(folder: Path) -> Listing:
    """Return the images of `folder`, by class.

    Raises:
        DataError: `folder` does not have two or more class folders with images in each.
    """
    if not folder.exists():
        raise _error(folder, "does not exist.")
    if not folder.is_dir():
        raise _error(folder, "is a file; it must be a folder with one folder per class.")
    split_folders = _split_folders(folder)
    class_folders = [(split, path) for split, parent in split_folders or [("", folder)] for path in _subfolders(parent)]
    classes = _classes(folder, class_folders)
    known_folders = {path for _, path in class_folders} | {path for _, path in split_folders}
    skipped_files = [
        os.path.relpath(entry.path, folder)
        for parent in (folder, *(path for _, path in split_folders))
        for entry in _entries(parent)
        if Path(entry.path) not in known_folders
    ]
    files: list[ImageFile] = []
    splits: list[str] = []
    for split, class_folder in class_folders:
        images = list(_images(folder, class_folder, classes.index(class_folder.name), skipped_files))
        if not images:
            raise _error(folder, f": the class folder {quote(str(class_folder))} has no images.")
        files += images
        splits += [split] * len(images)
    names = tuple(printable(name) for name in classes)
    return Listing(folder, names, files, splits, tuple(printable(name) for name in skipped_files))


def _split_folders(folder: Path) -> list[tuple[str, Path]]:
    """Return the folder's own splits with their folders; none if its folders are classes.

    Folders are splits if `train` has folders in it, and is alone or beside another split: a class may be called train.
    """
    top = _subfolders(folder)
    splits = [(SPLIT_NAMES[path.name.lower()], path) for path in top if path.name.lower() in SPLIT_NAMES]
    names = [name for name, _ in splits]
    others = [path for path in top if path.name.lower() not in SPLIT_NAMES]
    if not any(_subfolders(path) for name, path in splits if name == "train"):
        if splits and not others and "train" not in names:
            raise _error(folder, f"has the splits {' and '.join(names)}, but none called train.")
        return []
    if len(splits) == 1 and others:
        return []
    for name in names:
        if names.count(name) > 1:
            duplicates = " and ".join(quote(path.name) for other, path in splits if other == name)
            raise _error(folder, f"has two {name} splits, {duplicates}; remove one of them.")
    for path in others:
        if any(_should_be_image(entry) for entry in _walk(path, folder)):
            raise _error(folder, f": {quote(path.name)} has images and is beside train, but is not a split.")
    return sorted(splits, key=lambda split: list(SPLIT_NAMES.values()).index(split[0]))


def _classes(folder: Path, class_folders: list[tuple[str, Path]]) -> list[str]:
    first = class_folders[0][0] if class_folders else ""
    classes = sorted(path.name for split, path in class_folders if split == first)
    if not classes:
        raise _error(folder, "has no folders; it must have one per class, with its images.")
    if len(classes) == 1:
        raise _error(folder, f"has one class, {quote(classes[0])}; it must have two or more.")
    for split, path in class_folders:
        if path.name not in classes:
            raise _error(folder, f": {quote(path.name)} is a class of its {split} split, but not of train.")
    return classes


def _images(folder: Path, class_folder: Path, label: int, skipped_files: list[str]) -> Iterator[ImageFile]:
    for entry in sorted(_walk(class_folder, folder), key=lambda entry: entry.path):
        path = os.path.relpath(entry.path, folder)
        if not _should_be_image(entry):
            skipped_files.append(path)
            continue
        try:
            status = entry.stat()
        except OSError:  # a dangling link: reported with the broken images
            status = entry.stat(follow_symlinks=False)
        yield ImageFile(path, label, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _walk(class_folder: Path, root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield every file below a folder. Follow links, but enter each folder once, however many links lead to it."""
    entered = {_identity(root)}
    folders, links = [str(class_folder)], list[str]()
    while folders or links:
        folder = (folders or links).pop()
        if (identity := _identity(folder)) in entered:
            continue
        entered.add(identity)
        for entry in _entries(folder):
            if _is_hidden(entry.name) or not _is_folder(entry):
                yield entry
            else:
                (links if entry.is_symlink() else folders).append(entry.path)


def _should_be_image(entry: os.DirEntry[str]) -> bool:
    if _is_hidden(entry.name) or _is_folder(entry):
        return False
    return Path(entry.name).suffix.lower() in _image_extensions() or _begins_like_image(entry)


@cache
def _image_extensions() -> set[str]:
    """Return the extensions, such as `.png`, of files that should be images."""
    from PIL import Image

    from lrstudy.data.image_preprocessing import FORMATS, UNSUPPORTED

    return {extension for extension, kind in Image.registered_extensions().items() if kind in FORMATS} | UNSUPPORTED


def _begins_like_image(entry: os.DirEntry[str]) -> bool:
    try:
        if not entry.is_file():
            return False
        with open(entry.path, "rb") as file:  # noqa: PTH123
            begin = file.read(18)
    except OSError:
        return False
    is_bmp = begin[:2] == b"BM" and begin[6:10] == bytes(4) and int.from_bytes(begin[14:], "little") in BMP_HEADERS
    return is_bmp or begin.startswith(MAGIC) or begin[8:12] == b"WEBP" or begin[4:12] in (b"ftypavif", b"ftypavis")


def _error(folder: Path, problem: str) -> DataError:
    return DataError(setting_error("data", str(folder), problem))


def _subfolders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _entries(folder) if _is_folder(entry) and not _is_hidden(entry.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link
        return False


def _identity(folder: Path | str) -> tuple[int, int]:
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except PermissionError:
        raise _error(Path(folder), "cannot be read: permission denied.") from None
