"""Sections of the page and the blocks that they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from lrstudy.report.drawing import Drawing

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Table:
    """Headers and rows of texts; the first `labels` columns name the rows. `note` says which rows are left out."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 2
    note: str = ""


@dataclass(frozen=True)
class Note:
    """A paragraph; `quiet` ones are small explanations."""

    kind: ClassVar[str] = "note"
    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    kind: ClassVar[str] = "items"
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class NamedTable:
    """A table under a caption."""

    kind: ClassVar[str] = "named_table"
    name: str
    caption: str
    table: Table


@dataclass(frozen=True)
class Figures:
    """Drawings side by side, each with the table of its data, under a caption."""

    kind: ClassVar[str] = "figures"
    drawings: tuple[tuple[Drawing, Table], ...]
    caption: str = ""


@dataclass(frozen=True)
class HeatMap:
    """The heat map as a table: for each optimizer a row of fields, None where no cell is."""

    kind: ClassVar[str] = "heat_map"
    caption: str
    columns: tuple[str, ...]
    rows: dict[str, list[Any]]
    drawings: tuple[Drawing, ...]
    group: int


@dataclass(frozen=True)
class KeyValues:
    """A table of names with their values."""

    kind: ClassVar[str] = "key_values"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Statement:
    """A headline with sentences and a table, in a box."""

    kind: ClassVar[str] = "statement"
    headline: str
    sentences: tuple[str, ...]
    table: NamedTable


@dataclass(frozen=True)
class Bars:
    """Shares as horizontal bars, each with its name and its text, under a caption."""

    kind: ClassVar[str] = "bars"
    name: str
    caption: str
    bars: tuple[tuple[str, float, str], ...]


@dataclass(frozen=True)
class Picture:
    """A PNG file in base64, with a text for readers who cannot see it, and a caption."""

    png: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side; `small` ones are thumbnails."""

    kind: ClassVar[str] = "pictures"
    pictures: tuple[Picture, ...]
    small: bool = False


Block = Note | Items | NamedTable | Figures | HeatMap | KeyValues | Statement | Bars | Pictures


def _no_drawings(_: object) -> Iterator[Drawing]:
    return iter(())


@dataclass(frozen=True)
class Section(Generic[Subject]):
    """A section of the page about a group report or the whole report; it is left out if it has no blocks.

    Attributes:
        heading: the section's heading.
        blocks: the section's content, given the subject and its drawings.
        draw: the section's drawings.
        wide: whether it takes the width of the page; others stand side by side where there is room.
    """

    heading: str
    blocks: Callable[[Subject, Sequence[Drawing]], Iterator[Block]]
    draw: Callable[[Subject], Iterator[Drawing]] = _no_drawings
    wide: bool = True
