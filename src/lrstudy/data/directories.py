"""The entries of directories: folders to enter, files that should be images, and entries that are ignored."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lrstudy.data.file_formats import begins_like_image, image_extensions
from lrstudy.errors import DataError
from lrstudy.formatting import setting_error

JUNK_FILES = {"thumbs.db", "desktop.ini"}
# Folders that other programs create beside images: versions, thumbnails, metadata and deleted files.
IGNORED_FOLDERS = re.compile(
    r"\.(git|svn|hg|thumbnails|ipynb_checkpoints|@__thumb|appledouble|trash(es|-\d+)?)"
    r"|__macosx|@eadir|@recycle|#recycle|\$recycle\.bin",
    re.IGNORECASE,
)


def entries(
    folder: Path | str, of_interest: Callable[[os.DirEntry[str]], bool] = lambda _: True
) -> list[os.DirEntry[str]]:
    """Return the entries of a folder that are `of_interest`, by name.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            return sorted(filter(of_interest, found), key=lambda entry: entry.name)
    except PermissionError:
        raise DataError(setting_error("data", str(folder), "cannot be read: permission denied.")) from None


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in `folder` that may be classes or splits; a hidden folder must have images."""
    # Sorting the files of a large class too would take longer than finding its folders.
    paths = [Path(entry.path) for entry in entries(folder, is_folder) if not is_ignored(entry)]
    return [path for path in paths if not path.name.startswith(".") or holds_images(path)]


def walk(folder: Path, root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield every file below a folder. Follow links, but enter each folder once, however many links lead to it.

    Args:
        folder: the one to walk.
        root: a folder that contains it, which is not entered through a link.
    """
    entered = {_identity(root)} if root != folder else set()
    folders, links = [str(folder)], list[str]()
    while folders or links:
        path = (folders or links).pop()
        if (identity := _identity(path)) in entered:
            continue
        entered.add(identity)
        for entry in entries(path):
            if not is_folder(entry) or is_ignored(entry):
                yield entry
            else:
                (links if entry.is_symlink() else folders).append(entry.path)


def holds_images(folder: Path) -> bool:
    """Return whether there is an image in `folder`, or in a folder below it."""
    return any(should_be_image(entry) for entry in walk(folder, folder))


def should_be_image(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a file that has the name or the content of an image."""
    if is_folder(entry) or _is_junk(entry.name):
        return False
    return os.path.splitext(entry.name)[1].lower() in image_extensions() or begins_like_image(entry.path)  # noqa: PTH122


def is_ignored(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is ignored by its name: a hidden file, or a folder of `IGNORED_FOLDERS`."""
    if is_folder(entry):
        return IGNORED_FOLDERS.fullmatch(entry.name) is not None
    return _is_junk(entry.name)


def _is_junk(file: str) -> bool:
    return file.startswith(".") or file.lower() in JUNK_FILES


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a circular link
        return False


def _identity(folder: Path | str) -> tuple[int, int]:
    status = Path(folder).stat()
    return status.st_dev, status.st_ino
