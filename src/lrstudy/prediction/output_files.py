"""The files that a prediction writes: a table, and beside it a page of thumbnails."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lrstudy.csv_tables import to_csv
from lrstudy.errors import OutputError
from lrstudy.formatting import printable, setting_error
from lrstudy.image_model.prediction_table import prediction_columns
from lrstudy.prediction.classify import Predictions
from lrstudy.prediction.image_files import ImageFiles
from lrstudy.user_files import written_path

FILE = "file"
PAGE_SUFFIX = ".html"


def output_path(out: str, *, has_page: bool) -> Path:
    """Return the path of the table, from the folder where it was typed, after a test that it can be written.

    Args:
        out: the setting.
        has_page: whether a page is written beside it, under the same name with another suffix.

    Raises:
        OutputError: it cannot be written.
    """
    path = written_path(out)
    if has_page and path.suffix == PAGE_SUFFIX:
        raise OutputError(
            setting_error("out", out, "is the name of the page of tiles; name the table, as in out=x.csv.")
        )
    with _errors(out):
        if path.is_dir():
            raise OutputError(setting_error("out", out, "is a folder; name a file in it, as in predictions.csv."))
        if not path.parent.is_dir():
            raise OutputError(setting_error("out", out, f"cannot be written: there is no folder {path.parent}."))
        tempfile.TemporaryFile(dir=path.parent).close()
        if path.exists() and not os.access(path, os.W_OK):
            raise OutputError(setting_error("out", out, "cannot be written: the file is read-only."))
    return path


def page_path(table: Path) -> Path:
    """Return the path of the page beside a table."""
    return table.with_suffix(PAGE_SUFFIX)


def write_text(out: str, path: Path, text: str) -> None:
    """Write a file as a whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with _errors(out):
        try:
            unfinished.write_text(text, encoding="utf-8", newline="")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def table_of(files: ImageFiles, predictions: Predictions, classes: Sequence[str]) -> str:
    """Return a CSV table with a row per file that was read: file, class, and the probability of each class."""
    best = predictions.classes.tolist()
    rows = [
        [printable(path), classes[best[row]], *(str(value) for value in predictions.probabilities[row])]
        for row, path in enumerate(files.paths)
        if row not in predictions.broken
    ]
    return to_csv([[FILE, *prediction_columns(classes)], *rows])


@contextmanager
def _errors(out: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # such as a name with a zero byte
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(setting_error("out", out, f"cannot be written: {reason}.")) from error
