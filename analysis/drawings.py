"""Which figures a report has, each with the words that stand for it where it cannot be seen."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import figures
import tables
from chapters import Chapter, Report
from words import LONGEST_NAME, joined, loss, rate

# The kinds of file that a figure can be, and what of their metadata is not the same every time.
KINDS = {"svg": "Date", "png": "Software", "pdf": "CreationDate"}
# Chapters after these are told in words and tables alone.
MOST_DRAWN = 6


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, its file's name, the heading it stands under (`curves`, `basin`, `glance`, `shapes`), and its words.

    `optimizer` is whose it is; empty if it is of all.
    """

    name: str
    chapter: int
    heading: str
    words: str
    figure: Figure
    optimizer: str = ""

    def file(self, kind: str) -> bytes:
        """The figure as a file of one of the `KINDS`, the same bytes for the same figure."""
        file = io.BytesIO()
        with warnings.catch_warnings():
            # A name may be in a script that matplotlib's font lacks, or leave no room: it is drawn as well as can be.
            warnings.simplefilter("ignore")
            self.figure.savefig(file, format=kind, dpi=100, metadata={KINDS[kind]: None})
        self.figure.set_layout_engine("none")  # it is laid out now, which takes as long as drawing
        return file.getvalue()


def draw(report: Report) -> Iterator[Drawing]:
    """All figures of a report."""
    for chapter in report.chapters[:MOST_DRAWN]:
        if chapter.group.cells:
            yield from draw_curves(chapter, chapter.group.optimizers)
            yield draw_basin(chapter)
            yield draw_glance(chapter)
    for family in report.shapes:
        yield draw_shapes(family)


def draw_curves(chapter: Chapter, optimizers: Sequence[str]) -> Iterator[Drawing]:
    """Losses over the epochs, a figure for each of `optimizers` that has histories."""
    known = chapter.curves[["train_loss", "val_loss"]].notna().any(axis=1)
    limits = {name: figures.loss_limits(chapter.curves, name) for name in ("train_loss", "val_loss")}
    for optimizer in optimizers:
        if not (known & (chapter.curves.optimizer == optimizer)).any():
            continue
        own = chapter.cells[chapter.cells.optimizer == optimizer].sort_values("lr")
        ends = [f"{rate(row.lr)} is {row.verdict} and ends at {loss(row.final_val_loss)}" for row in own.itertuples()]
        words = (
            f"Training and validation loss of {optimizer} over the epochs, a line for each learning rate. "
            f"Validation: {joined(ends[:12], len(ends))}."
        )
        drawn = figures.loss_curves(chapter.curves, chapter.cells, optimizer, limits, chapter.rates)
        yield Drawing(_name(chapter, f"curves_{_plain(optimizer)}"), chapter.number, "curves", words, drawn, optimizer)


def draw_basin(chapter: Chapter) -> Drawing:
    """The best validation loss against the learning rate."""
    bests = [
        f"{row.optimizer} is lowest, at {loss(row.best_val_loss)}, with {rate(row.best_lr)}"
        for row in chapter.optimizers.itertuples()
        if np.isfinite(row.best_val_loss)
    ]
    low, high = chapter.rates
    words = f"Best validation loss against learning rates from {rate(low)} to {rate(high)}, a line for each optimizer"
    words += f": {joined(bests[:8], len(bests))}." if bests else "; all diverged."
    drawn = figures.loss_against_rate(chapter.cells, chapter.runs, chapter.untrained)
    return Drawing(_name(chapter, "loss_against_learning_rate"), chapter.number, "basin", words, drawn)


def draw_glance(chapter: Chapter) -> Drawing:
    """The grid at a glance."""
    words = "Optimizers against learning rates: validation loss, accuracy and verdict of each, as in the table."
    return Drawing(_name(chapter, "grid"), chapter.number, "glance", words, figures.glance(chapter.places))


def draw_shapes(family: tuple[Chapter, ...]) -> Drawing:
    """Shapes of network beside each other."""
    shapes = joined([chapter.group.settings["hidden"] for chapter in family])
    words = (
        f"For networks with {shapes} neurons: best validation loss, and the gap between validation and training loss "
        "at the end, against the learning rate, as in the table."
    )
    drawn = figures.shapes(tables.shapes_table([chapter.comparison for chapter in family]))
    return Drawing(_name(family[0], "shapes"), family[0].number, "shapes", words, drawn)


def _name(chapter: Chapter, name: str) -> str:
    return name if chapter.number == 1 else f"group{chapter.number}_{name}"


def _plain(optimizer: str) -> str:
    """An optimizer's name as part of a file's name; of one that cannot be, with its hash."""
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in optimizer
    )
    if plain == optimizer and len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[:LONGEST_NAME]}_{hashlib.sha256(optimizer.encode()).hexdigest()[:8]}"
