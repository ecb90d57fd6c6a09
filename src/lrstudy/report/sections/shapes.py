"""Network shapes side by side: groups that differ in the neurons of the dense layers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from lrstudy.formatting import format_loss, format_lr, format_percent, format_with_deviation, join_and
from lrstudy.report.drawing import Drawing, file_name
from lrstudy.report.figures.shape_gaps import shape_gaps
from lrstudy.report.figures.shapes import network_shapes
from lrstudy.report.group_report import GroupReport, Report
from lrstudy.report.sections.section import Block, Figures, NamedTable, Note, Statement, Table

EXPLANATION = "The same cells with other numbers of neurons."
CAPTION = "Crosses at the top mark diverged or collapsed cells."
GAP_CAPTION = (
    "The best cell with each shape: validation less training loss at the last epoch; the smaller the gap, the less the "
    "network has memorised."
)


def draw_gaps(report: Report) -> Iterator[Drawing]:
    """Yield a figure per family of shapes with two gaps or more: the gap against the neurons in later layers."""
    for family, shapes in zip(report.shape_families, report.shape_comparisons, strict=True):
        if shapes.best and len(shapes.gaps) > 1:
            subject = f"{family[0].subject.partition(' · ')[0]} · {shapes.best[1].name}"
            figure = shape_gaps(shapes.gaps, shapes.later_name, subject)
            description = " ".join([f"{shapes.headline}.", *shapes.sentences])
            yield Drawing(file_name(family[0].number, "shape_gaps"), description, figure)


def opening_blocks(report: Report, drawings: Sequence[Drawing]) -> Iterator[Block]:
    """Yield which shape is best and whether that matters, per family, with a table and the figure of the gaps."""
    by_name = {drawing.name: drawing for drawing in drawings}
    for family, shapes in zip(report.shape_families, report.shape_comparisons, strict=True):
        headers = ("neurons", "weights", shapes.later_name, "best cell", "validation loss", "gap at the end")
        table = Table(headers, tuple(shapes.rows), labels=1)
        named = NamedTable("Network shapes", "Each shape with its own best cell.", table)
        yield Statement(shapes.headline, tuple(shapes.sentences), named)
        if drawing := by_name.get(file_name(family[0].number, "shape_gaps")):
            yield Figures(((drawing, table),), GAP_CAPTION)


def draw(report: Report) -> Iterator[Drawing]:
    """Yield a figure per family of shapes."""
    return map(_draw_family, report.shape_families, report.shape_tables)


def _draw_family(family: Sequence[GroupReport], cells: pd.DataFrame) -> Drawing:
    neurons = join_and([group_report.group.settings["hidden"] for group_report in family])
    description = (
        f"For networks with {neurons} neurons: best validation loss, and the gap between validation and training loss "
        "at the end, against the learning rate, as in the table."
    )
    figure = network_shapes(cells, family[0].subject.partition(" · ")[0])
    return Drawing(file_name(family[0].number, "shapes"), description, figure)


def blocks(report: Report, drawings: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the figure of all cells per family."""
    for cells, drawing in zip(report.shape_tables, drawings, strict=True):
        yield Note(EXPLANATION)
        yield Figures(((drawing, _format_cells(cells)),), CAPTION)


def _format_cells(cells: pd.DataFrame) -> Table:
    """Return the cells of several shapes, the shapes of one cell together."""
    rows = tuple(
        (
            row.optimizer,
            format_lr(row.lr),
            row.hidden,
            f"{row.n}",
            format_with_deviation(row.best_val_loss, row.best_val_loss_sd, format_loss),
            format_percent(row.best_val_accuracy),
            format_loss(row.final_train_loss),
            format_loss(row.final_val_loss),
            format_with_deviation(row.generalisation_gap, row.generalisation_gap_sd, format_loss),
            row.verdict,
        )
        for row in cells.itertuples()
    )
    headers = ("optimizer", "learning rate", "neurons", "seeds", "best val. loss", "val. accuracy", "final train. loss")
    return Table((*headers, "final val. loss", "gap", "verdict"), rows, labels=3)
