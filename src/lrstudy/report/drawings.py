"""Which figures a report has, each with the words that stand for it where it cannot be seen."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from lrstudy.formatting import MAX_NAME, format_loss, format_lr, join_and
from lrstudy.report import figures, tables
from lrstudy.report.group_report import GroupReport, Report

# The kinds of file that a figure can be, and what of their metadata is not the same every time.
KINDS = {"svg": "Date", "png": "Software", "pdf": "CreationDate"}
# Chapters after these are told in words and tables alone.
MAX_DRAWN = 6


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, its file's name, the heading it stands under (`curves`, `basin`, `glance`, `shapes`), and its words.

    `optimizer` is whose it is; empty if it is of all.
    """

    name: str
    group_report: int
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
    for group_report in report.group_reports[:MAX_DRAWN]:
        if group_report.group.cells:
            yield from draw_curves(group_report, group_report.group.optimizers)
            yield draw_basin(group_report)
            yield draw_glance(group_report)
    for family in report.shapes:
        yield draw_shapes(family)


def draw_curves(group_report: GroupReport, optimizers: Sequence[str]) -> Iterator[Drawing]:
    """Losses over the epochs, a figure for each of `optimizers` that has histories."""
    known = group_report.curves[["train_loss", "val_loss"]].notna().any(axis=1)
    limits = {name: figures.loss_limits(group_report.curves, name) for name in ("train_loss", "val_loss")}
    for optimizer in optimizers:
        if not (known & (group_report.curves.optimizer == optimizer)).any():
            continue
        own = group_report.cells[group_report.cells.optimizer == optimizer].sort_values("lr")
        ends = [
            f"{format_lr(row.lr)} is {row.verdict} and ends at {format_loss(row.final_val_loss)}"
            for row in own.itertuples()
        ]
        words = (
            f"Training and validation loss of {optimizer} over the epochs, a line for each learning rate. "
            f"Validation: {join_and(ends[:12], len(ends))}."
        )
        drawn = figures.loss_curves(group_report.curves, group_report.cells, optimizer, limits, group_report.rates)
        yield Drawing(
            _name(group_report, f"curves_{_plain(optimizer)}"), group_report.number, "curves", words, drawn, optimizer
        )


def draw_basin(group_report: GroupReport) -> Drawing:
    """The best validation loss against the learning rate."""
    bests = [
        f"{row.optimizer} is lowest, at {format_loss(row.best_val_loss)}, with {format_lr(row.best_lr)}"
        for row in group_report.optimizers.itertuples()
        if np.isfinite(row.best_val_loss)
    ]
    low, high = group_report.rates
    words = f"Best validation loss against learning rates from {format_lr(low)} to {format_lr(high)}, a line for each optimizer"
    words += f": {join_and(bests[:8], len(bests))}." if bests else "; all diverged."
    drawn = figures.loss_against_rate(group_report.cells, group_report.runs, group_report.untrained)
    return Drawing(_name(group_report, "loss_against_learning_rate"), group_report.number, "basin", words, drawn)


def draw_glance(group_report: GroupReport) -> Drawing:
    """The grid at a glance."""
    words = "Optimizers against learning rates: validation loss, accuracy and verdict of each, as in the table."
    return Drawing(
        _name(group_report, "grid"), group_report.number, "glance", words, figures.glance(group_report.places)
    )


def draw_shapes(family: tuple[GroupReport, ...]) -> Drawing:
    """Shapes of network beside each other."""
    shapes = join_and([group_report.group.settings["hidden"] for group_report in family])
    words = (
        f"For networks with {shapes} neurons: best validation loss, and the gap between validation and training loss "
        "at the end, against the learning rate, as in the table."
    )
    drawn = figures.shapes(tables.shapes_table([group_report.comparison for group_report in family]))
    return Drawing(_name(family[0], "shapes"), family[0].number, "shapes", words, drawn)


def _name(group_report: GroupReport, name: str) -> str:
    return name if group_report.number == 1 else f"group{group_report.number}_{name}"


def _plain(optimizer: str) -> str:
    """An optimizer's name as part of a file's name; of one that cannot be, with its hash."""
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in optimizer
    )
    if plain == optimizer and len(plain) <= MAX_NAME:
        return plain
    return f"{plain[:MAX_NAME]}_{hashlib.sha256(optimizer.encode()).hexdigest()[:8]}"
