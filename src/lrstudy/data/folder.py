"""A folder of class folders: which files are images, of which class, and which are passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lrstudy.errors import DataError
from lrstudy.formatting import printable

SPLIT_NAMES = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}

JUNK = {"thumbs.db", "desktop.ini", "__macosx"}
# The first bytes of formats that a file without an image's name may well be in.
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
# The sizes that the second header of a BMP has: "BM" alone begins many a text.
BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that should be an image: its path within the folder, and what tells whether it has changed."""

    path: str
    label: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True)
class Listing:
    """The files of a data folder, in the order of their paths.

    `parts` has for each file the part it belongs to, or `""` where the folder has no parts of its own.
    """

    folder: Path
    classes: tuple[str, ...]
    files: list[ImageFile]
    parts: list[str]
    skipped_files: tuple[str, ...]


def list_folder(folder: Path) -> Listing:
    """The images of `folder`, by class.

    Raises:
        DataError: it is no folder of two or more class folders with images in each.
    """
    if not folder.exists():
        raise _error(folder, "there is no such folder.")
    if not folder.is_dir():
        raise _error(folder, "this is a file; it must be a folder with one folder for each class.")
    own_parts = _parts(folder)
    where = [(part, class_folder) for part, path in own_parts or [("", folder)] for class_folder in _subfolders(path)]
    classes = _classes(folder, where)
    class_folders = {path for _, path in where} | {path for _, path in own_parts}
    skipped_files = [
        os.path.relpath(entry.path, folder)
        for place in (folder, *(path for _, path in own_parts))
        for entry in _entries(place)
        if Path(entry.path) not in class_folders
    ]
    files: list[ImageFile] = []
    parts: list[str] = []
    for part, class_folder in where:
        found = list(_images(folder, class_folder, classes.index(class_folder.name), skipped_files))
        if not found:
            raise _error(folder, f"the class folder {printable(str(class_folder))} holds no images.")
        files += found
        parts += [part] * len(found)
    shown = tuple(printable(name) for name in classes)
    return Listing(folder, shown, files, parts, tuple(printable(name) for name in skipped_files))


def _parts(folder: Path) -> list[tuple[str, Path]]:
    """The parts that the folder itself is split into; none if its folders are classes.

    They are parts where `train` has folders in it, alone or beside another part: a class may be called train, too.
    """
    top = _subfolders(folder)
    parts = [(SPLIT_NAMES[path.name.lower()], path) for path in top if path.name.lower() in SPLIT_NAMES]
    names = [name for name, _ in parts]
    others = [path for path in top if path.name.lower() not in SPLIT_NAMES]
    if not any(_subfolders(path) for name, path in parts if name == "train"):
        if parts and not others and "train" not in names:
            raise _error(folder, f"it has the parts {' and '.join(names)}, but none called train.")
        return []
    if len(parts) == 1 and others:
        return []
    for name in names:
        if names.count(name) > 1:
            twice = " and ".join(printable(path.name) for other, path in parts if other == name)
            raise _error(folder, f"{twice} are both its {name} part; one of them must go.")
    for path in others:
        if any(_should_be_image(entry) for entry in _walk(path, folder)):
            raise _error(folder, f"{printable(path.name)} has images, but lies beside train and is no part.")
    return sorted(parts, key=lambda part: list(SPLIT_NAMES.values()).index(part[0]))


def _classes(folder: Path, where: list[tuple[str, Path]]) -> list[str]:
    first = where[0][0] if where else ""
    classes = sorted(path.name for part, path in where if part == first)
    if not classes:
        raise _error(folder, "it holds no folders; it must have one for each class, with its images.")
    if len(classes) == 1:
        raise _error(folder, f"it holds one class, {printable(classes[0])}; there must be two or more.")
    for part, path in where:
        if path.name not in classes:
            raise _error(folder, f"{printable(path.name)} is a class of its {part} part, but not of train.")
    return classes


def _images(folder: Path, class_folder: Path, label: int, skipped_files: list[str]) -> Iterator[ImageFile]:
    for entry in sorted(_walk(class_folder, folder), key=lambda entry: entry.path):
        path = os.path.relpath(entry.path, folder)
        if not _should_be_image(entry):
            skipped_files.append(path)
            continue
        try:
            found = entry.stat()
        except OSError:  # a link to nothing: reported with the broken images
            found = entry.stat(follow_symlinks=False)
        yield ImageFile(path, label, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _walk(class_folder: Path, root: Path) -> Iterator[os.DirEntry[str]]:
    """Every file below a folder. Links are followed, but a folder is entered once, however many ways lead to it."""
    entered = {_identity(root)}
    folders, links = [str(class_folder)], list[str]()
    while folders or links:
        folder = (folders or links).pop()
        if (here := _identity(folder)) in entered:
            continue
        entered.add(here)
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
    """The endings, such as `.png`, of files that should be images."""
    from PIL import Image

    from lrstudy.data.image_preprocessing import FORMATS, UNSUPPORTED

    return {ending for ending, kind in Image.registered_extensions().items() if kind in FORMATS} | UNSUPPORTED


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
    return DataError(f"data={printable(str(folder))}: {problem}")


def _subfolders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _entries(folder) if _is_folder(entry) and not _is_hidden(entry.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _identity(folder: Path | str) -> tuple[int, int]:
    found = Path(folder).stat()
    return found.st_dev, found.st_ino


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except PermissionError:
        raise _error(Path(folder), "permission to read this folder is denied.") from None
