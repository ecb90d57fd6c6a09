"""The image files to predict, and their true classes if their folders have the names of classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lrstudy.compat.mlflow_launch import typed_path
from lrstudy.data.directories import should_be_image, subfolders, walk
from lrstudy.data.layout import class_name
from lrstudy.errors import DataError
from lrstudy.formatting import join_and, printable, quote, setting_error

MAX_NAMED = 4


@dataclass(frozen=True)
class ImageFiles:
    """Image files by their paths within `folder`, in their order.

    `labels` are the numbers of their true classes; None if these are not known.
    """

    folder: Path
    paths: Sequence[str]
    labels: Sequence[int] | None


def find_images(images: str, classes: Sequence[str], labels: str) -> ImageFiles:
    """Return the image files that the setting `images` names.

    Args:
        images: a file or a folder, as typed.
        classes: of the model.
        labels: `folders` if the folders in `images` are the true classes, `none` if they are not, or `auto`.

    Raises:
        DataError: there are none, or the folders are not classes of the model.
    """
    try:
        return _find(images, typed_path(Path(images).expanduser()), classes, labels)
    except (OSError, ValueError) as error:  # such as a name with a zero byte
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(images, f"cannot be read: {reason}.") from error


def _find(images: str, path: Path, classes: Sequence[str], labels: str) -> ImageFiles:
    if not path.exists():
        raise _error(images, f"does not exist: there is no {quote(os.path.abspath(path))}.")  # noqa: PTH100 - keeps links
    if not path.is_dir():
        if labels == "folders":
            raise _error(images, "is a file; with labels=folders it must be a folder of class folders.")
        return ImageFiles(path.parent, [path.name], None)
    paths = sorted(os.path.relpath(entry.path, path) for entry in walk(path, path) if should_be_image(entry))
    if not paths:
        raise _error(images, "has no images, in no folder within it either.")
    tops = {_top(one) for one in paths}
    folders = [folder for folder in subfolders(path) if folder.name in tops]
    if labels == "none" or (labels == "auto" and not _are_classes(paths, folders, classes)):
        return ImageFiles(path, paths, None)
    _check_classes(images, paths, folders, classes)
    numbers = {folder.name: classes.index(_name(folder)) for folder in folders}
    return ImageFiles(path, paths, [numbers[_top(one)] for one in paths])


def _are_classes(paths: Sequence[str], folders: Sequence[Path], classes: Sequence[str]) -> bool:
    """Return whether the folders are meant as classes: every image is in one, and there are several or a known one."""
    known = any(_name(folder) in classes for folder in folders)
    return all(os.sep in path for path in paths) and (known or len(folders) > 1)


def _check_classes(images: str, paths: Sequence[str], folders: Sequence[Path], classes: Sequence[str]) -> None:
    outside = [path for path in paths if os.sep not in path]
    unknown = [folder.name for folder in folders if _name(folder) not in classes]
    if outside:
        raise _error(
            images, f": {quote(outside[0])} is in no class folder; use labels=none to predict without classes."
        )
    if unknown:
        are = "is not a class" if len(unknown) == 1 else "are not classes"
        raise _error(
            images,
            f": {_names(unknown)} {are} of the model, which has {_names(classes)}; use labels=none to predict without "
            "comparing, or a folder within it.",
        )


def _name(folder: Path) -> str:
    """Return the class that a folder's name stands for, written as a training logs its classes."""
    return printable(class_name(folder))


def _top(path: str) -> str:
    return path.partition(os.sep)[0]


def _names(names: Sequence[str]) -> str:
    return join_and([quote(name) for name in names[:MAX_NAMED]], len(names))


def _error(images: str, problem: str) -> DataError:
    return DataError(setting_error("images", printable(images), problem))
