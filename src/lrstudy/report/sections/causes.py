"""Reasons why the other cells of a group lose: a sentence each, and a figure of how far their steps went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from lrstudy.formatting import NOTHING, format_lr, format_percent
from lrstudy.report.cell_causes import losers
from lrstudy.report.drawing import Drawing, file_name
from lrstudy.report.figures.overshoot import overshoot
from lrstudy.report.group_report import GroupReport
from lrstudy.report.sections.section import Block, Figures, Items, Note, Table
from lrstudy.verdicts.causes import EARLY_EPOCHS

# The page has this many sentences, of the best losers; the table of cells has a reason for each.
MAX_SENTENCES = 24
CAPTION = (
    "The learning rate over the critical one, at which the loss of the very batch no longer falls: that of the longest "
    f"step that was measured in the first {EARLY_EPOCHS} epochs. Above 1 a step overshoots, far below it, steps are "
    "short; a training may overshoot later as well, as some sentences say. Marks are the verdicts at the end; crosses "
    "at the top are cells whose steps led uphill at once."
)


def draw(group_report: GroupReport) -> Iterator[Drawing]:
    """Yield the figure of how far each step went, if that was measured."""
    table = group_report.causes
    known = table[np.isfinite(table.lr_over_critical)]
    if len(known):
        above = int((known.lr_over_critical > 1).sum())
        description = (
            f"Learning rate over critical learning rate against learning rate, a line per optimizer: "
            f"{above} of {len(known)} cells are above 1, where steps overshoot."
        )
        yield Drawing(
            file_name(group_report.number, "overshooting"), description, overshoot(table, group_report.subject)
        )


def blocks(group_report: GroupReport, drawings: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the figure and the sentences."""
    comparison = group_report.comparison
    if comparison.best is None:
        return
    if drawings:
        yield Figures(tuple((drawing, overshoot_table(group_report)) for drawing in drawings), CAPTION)
    sentences = tuple(islice(losers(comparison), MAX_SENTENCES))
    if sentences:
        yield Items(sentences)
    if len(group_report.cells) - 1 > MAX_SENTENCES:
        yield Note(f"These are the best {MAX_SENTENCES} of those that lose; the table of cells has a reason for each.")


def overshoot_table(group_report: GroupReport) -> Table:
    """Return the causes of each cell."""
    rows = tuple(
        (
            row.optimizer,
            format_lr(row.lr),
            row.verdict,
            _ratio(row.lr_over_critical),
            _ratio(row.lr_over_best_step),
            format_percent(row.dead_units),
        )
        for row in group_report.causes.itertuples()
    )
    headers = ("optimizer", "learning rate", "verdict", "over critical", "over best step", "dead units at the end")
    return Table(headers, rows)


def _ratio(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else NOTHING
