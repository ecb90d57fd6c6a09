"""Groups of images that belong together, such as photographs of one person, by a pattern in the names of files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from lrstudy.errors import DataError
from lrstudy.formatting import pluralize, printable, quote, setting_error

NO_GROUPS = "none"


@dataclass(frozen=True, eq=False)
class Groups:
    """The number of each image's group, int64 `(n,)`, and the pattern that formed the groups."""

    pattern: str
    numbers: np.ndarray


def group_files(paths: Sequence[str], pattern: str) -> tuple[Groups, list[str]]:
    """Return the groups of files, and a sentence if some files do not match; each of these is a group of its own.

    The pattern is searched in the name of each file or, if it contains a slash, in its path within the data folder.
    Files with the same match are a group; if the pattern has capture groups, the texts of all of these are compared.

    Args:
        paths: the files' paths within the data folder.
        pattern: a regular expression.

    Raises:
        DataError: no file matches.
    """
    names = paths if "/" in pattern else [PurePosixPath(path).name for path in paths]
    keys = [_key(match) if (match := re.search(pattern, name)) else None for name in names]
    unmatched = [path for path, key in zip(paths, keys, strict=True) if key is None]
    if len(unmatched) == len(paths):
        hint = "" if "/" in pattern else "; a pattern with a slash is searched in the path within the data folder"
        raise DataError(setting_error("groups", pattern, f"matches no file name, such as {quote(names[0])}{hint}."))
    numbers: dict[object, int] = {}
    group_of = [numbers.setdefault(row if key is None else key, len(numbers)) for row, key in enumerate(keys)]
    return Groups(pattern, np.array(group_of, dtype=np.int64)), list(_warning(pattern, unmatched, len(paths)))


def spanning_groups(groups: Groups, splits: np.ndarray) -> Iterator[str]:
    """Yield a sentence if groups are in several of the data folder's own splits."""
    pairs = np.unique(np.stack([groups.numbers, np.unique(splits, return_inverse=True)[1]]), axis=1)
    if several := int((np.bincount(pairs[0]) > 1).sum()):
        are = "group is" if several == 1 else "groups are"
        setting = f"groups={quote(groups.pattern)}"
        yield f"{several} {are} in several of the folder's own splits, which {setting} does not change"


def _key(match: re.Match[str]) -> tuple[str | None, ...]:
    return match.groups() or (match.group(),)


def _warning(pattern: str, unmatched: Sequence[str], files: int) -> Iterator[str]:
    if unmatched:
        example = printable(unmatched[0])
        are = "is a group of its own" if len(unmatched) == 1 else "are groups of their own"
        yield (
            f"{len(unmatched)} of {pluralize(files, 'file')}, such as {quote(example)}, "
            f"{'does' if len(unmatched) == 1 else 'do'} not match groups={quote(pattern)} and {are}"
        )
