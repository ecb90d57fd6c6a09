"""The heat map of a group: a figure for files, and a table on the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrstudy.report.drawing import Drawing, file_name
from lrstudy.report.figures.heat_map import heat_map
from lrstudy.report.group_report import GroupReport
from lrstudy.report.sections.section import Block, HeatMap


def draw(group_report: GroupReport) -> Iterator[Drawing]:
    """Yield the heat map."""
    if group_report.group.cells:
        description = (
            "Optimizers against learning rates: validation loss, accuracy and verdict of each, as in the table."
        )
        yield Drawing(
            file_name(group_report.number, "grid"), description, heat_map(group_report.heat_map, group_report.subject)
        )


def blocks(group_report: GroupReport, drawings: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the heat map as a table."""
    if not group_report.group.cells:
        return
    fields = group_report.heat_map
    columns = dict(sorted(zip(fields.position, fields.column, strict=True)))
    by_place = {(row.optimizer, row.position): row for row in fields.itertuples()}
    binned = any(" to " in name for name in columns.values())
    caption = "Best validation loss, the accuracy at that epoch, and the verdict"
    caption += "; a column shows the best cell in half a decade" if binned else ""
    caption += f". The {group_report.state.best_label} cell has a frame." if group_report.state.best_label else "."
    if fields.at_most_worse.any():
        caption += " Fields with “up to … worse” are not distinguishable from it."
    caption += " ± is the standard deviation over the seeds." if group_report.cells.n.max() > 1 else ""
    rows = {name: [by_place.get((name, column)) for column in columns] for name in dict.fromkeys(fields.optimizer)}
    yield HeatMap(caption, tuple(columns.values()), rows, tuple(drawings), group_report.number)
