"""A figure of the report with its file name and the text that describes it."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from lrstudy.figure_layout import fix_layout
from lrstudy.formatting import MAX_NAME

# The file types of a figure, each with the metadata that would differ every time.
FILE_TYPES = {"svg": "Date", "png": "Software", "pdf": "CreationDate"}

# The ids in an SVG file are hashes with this salt, which matplotlib would draw at random for each file.
SVG_SALT = "learning rates"
# Twice the size at which the page shows a figure.
DPI = 200


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, its file's name, and its description for readers who cannot see it.

    `optimizer` is empty for a figure of all optimizers.
    """

    name: str
    description: str
    figure: Figure
    optimizer: str = ""

    def file(self, kind: str) -> bytes:
        """Return the figure as a file of one of `FILE_TYPES`, the same bytes for the same figure."""
        file = io.BytesIO()
        with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": SVG_SALT}):
            # A name may use a script that matplotlib's font lacks, or leave no room for the axes.
            warnings.simplefilter("ignore")
            fix_layout(self.figure, DPI)
            # A PNG file is a third larger so, and takes half the time.
            fast: dict[str, Any] = {"pil_kwargs": {"compress_level": 2}} if kind == "png" else {}
            self.figure.savefig(file, format=kind, dpi=DPI, metadata={FILE_TYPES[kind]: None}, **fast)
        return file.getvalue()


def file_name(number: int, name: str) -> str:
    """Return the name of a figure of the group with this number; the first group's figures have no prefix."""
    return name if number == 1 else f"group{number}_{name}"


def ascii_name(name: str) -> str:
    """Return a name as part of a file's name, with its hash if it had to be changed."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in name)
    if plain == name and len(plain) <= MAX_NAME:
        return plain
    return f"{plain[:MAX_NAME]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
