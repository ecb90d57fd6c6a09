"""Read the columns of a CSV file that a person or another program has written."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lrstudy.errors import TableError
from lrstudy.formatting import pluralize, quote

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True)
class Table:
    """The columns of a file, as text, and the number of each row in the file, whose header is row 1."""

    columns: dict[str, list[str]]
    row_numbers: list[int]


def read_table(path: Path) -> Table:
    """Return the columns of a CSV file.

    Raises:
        TableError: the file is missing or is not a table; the text continues a sentence that begins with its path.
    """
    text = _decoded(_content(path))
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise TableError(f"is not a CSV file: {error}.") from None
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(map(str.strip, row))]
    if not numbered:
        raise TableError("is empty.")
    (_, header), *records = numbered
    names = _names(header)
    if not records:
        raise TableError("has a header only, and no trainings.")
    for number, row in records:
        _check_length(number, row, names)
    columns = {name: [row[place].strip() for _, row in records] for place, name in enumerate(names)}
    return Table(columns, [number for number, _ in records])


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise TableError("does not exist.") from None
    except IsADirectoryError:
        raise TableError("is a folder; name a CSV file.") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise TableError(f"cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def _decoded(content: bytes) -> str:
    if content.startswith(b"PK"):
        raise TableError("is a spreadsheet or an archive; save the table as CSV.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise TableError("is not a text file in UTF-8; save the table as CSV in UTF-8.")
    return text


def _names(header: list[str]) -> list[str]:
    """Return the names of the columns, without empty ones at the end."""
    names = [name.strip() for name in header]
    while not names[-1]:
        names.pop()
    if len(names) == 1:
        for separator, words in SEPARATORS.items():
            if separator in names[0]:
                raise TableError(f"has {words} between its columns; save it with commas, and with decimal points.")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise TableError(f"has {count} columns of the name {quote(name)}.")
    return names


def _check_length(number: int, row: list[str], names: list[str]) -> None:
    """Raise TableError if a row has not as many fields as the header; empty ones at the end do not count."""
    if len(row) < len(names) or any(map(str.strip, row[len(names) :])):
        hint = "; are its decimals separated by commas?" if len(row) > len(names) else "."
        raise TableError(f": row {number} has {pluralize(len(row), 'field')}, and the header has {len(names)}{hint}")
