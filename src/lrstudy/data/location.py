"""Find the data that a user names: a named data set, or a folder relative to where the user typed its path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path

from lrstudy.compat.mlflow_launch import launch_folder
from lrstudy.data.sources import SOURCES
from lrstudy.errors import DataError
from lrstudy.formatting import join_or, quote, setting_error


def locate(data: str) -> str:
    """Return `data`, made absolute if it is a path that only leads to a folder from where `mlflow run` was typed."""
    with suppress(DataError):
        for path in _candidates(data)[:-1]:
            if path.is_dir():
                return str(path)
    return data


def check_name(data: str) -> None:
    """Check, without reading images, that `data` is the name of a data set or an existing folder.

    Raises:
        DataError: it is neither.
    """
    if data in SOURCES:
        return
    with data_path(data) as folder:
        candidates = _candidates(data)
        if any(path.exists() for path in candidates):
            return
        looked = " and no ".join(quote(os.path.abspath(path)) for path in candidates)  # noqa: PTH100 - keeps links
        places = "" if folder.is_absolute() else f": there is no {looked}"
        similar = _similar(data, folder, candidates)
        suggestion = f"; did you mean {join_or([quote(name) for name in similar])}?" if similar else "."
        problem = f"is neither a known data set nor a folder{places}{suggestion}"
        raise DataError(setting_error("data", data, problem))


@contextmanager
def data_path(data: str) -> Iterator[Path]:
    """Yield `data` as a path; raise the block's errors of the file system as DataError.

    Raises:
        DataError: the path cannot be read.
    """
    try:
        yield Path(data).expanduser()
    except (OSError, RuntimeError, ValueError) as error:  # too long, with a zero byte, or an unknown user's home
        raise DataError(setting_error("data", data, f"cannot be read ({error}).")) from error


def _candidates(data: str) -> list[Path]:
    """Return the paths that `data` may stand for; the last one is relative to the current folder."""
    with data_path(data) as folder:
        if data in SOURCES or folder.is_absolute():
            return [folder]
        typed_in, here = launch_folder(), Path.cwd()
        return [folder] if typed_in == here else [typed_in / folder, folder]


def _similar(data: str, folder: Path, candidates: Sequence[Path]) -> list[str]:
    """Return a named data set, or folders beside the missing one, with a similar name."""
    if named := get_close_matches(data.lower(), SOURCES, n=1):
        return named
    beside = list[str]()
    for candidate in candidates:
        with suppress(OSError):
            beside += [entry.name for entry in os.scandir(candidate.parent) if entry.is_dir()]
    return [str(folder.parent / name) for name in get_close_matches(folder.name, beside, n=2, cutoff=0.7)]
