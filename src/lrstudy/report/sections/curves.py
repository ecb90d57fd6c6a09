"""Loss curves of a group, a figure per optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from lrstudy.formatting import format_loss, format_lr, join_and
from lrstudy.report.drawing import Drawing, ascii_name, file_name
from lrstudy.report.figures.curves import SPLITS, loss_curves
from lrstudy.report.group_report import GroupReport
from lrstudy.report.sections.section import Block, Figures, Note, Table

# The table behind a figure has at most this many learning rates and about this many rows; its CSV file has all.
MAX_COLUMNS, MAX_ROWS = 8, 26
MAX_DESCRIBED = 12
EXPLANATION = (
    "Training and validation, and all optimizers, have one scale. Dark lines are high learning rates. Bands span the "
    "seeds; a cross marks the end of a diverged training; triangles on an edge mark where a line leaves the range "
    "below and around the loss of guessing. The thickest line is the optimizer's best."
)


def draw(group_report: GroupReport) -> Iterator[Drawing]:
    """Yield the loss curves of each optimizer with histories."""
    return draw_optimizers(group_report, group_report.group.optimizers)


def draw_optimizers(group_report: GroupReport, optimizers: Sequence[str]) -> Iterator[Drawing]:
    """Yield the loss curves of each of `optimizers` that has histories."""
    curves, cells = group_report.curves, group_report.cells
    known = curves[list(SPLITS)].notna().any(axis=1)
    for optimizer in optimizers:
        if (known & (curves.optimizer == optimizer)).any():
            name = file_name(group_report.number, f"curves_{ascii_name(optimizer)}")
            figure = loss_curves(
                curves, cells, optimizer, group_report.shown_losses, group_report.lr_range, group_report.subject
            )
            yield Drawing(name, _description(group_report, optimizer), figure, optimizer)


def _description(group_report: GroupReport, optimizer: str) -> str:
    own = group_report.cells[group_report.cells.optimizer == optimizer].sort_values("lr")
    ends = [
        f"{format_lr(row.lr)} is {row.verdict} and ends at {format_loss(row.final_val_loss)}"
        for row in own.itertuples()
    ]
    return (
        f"Training and validation loss of {optimizer} over the epochs, a line per learning rate. "
        f"Validation: {join_and(ends[:MAX_DESCRIBED], len(ends))}."
    )


def blocks(group_report: GroupReport, drawings: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the figures, each with the table of its losses."""
    if drawings:
        yield Note(EXPLANATION, quiet=True)
        yield Figures(tuple((drawing, curves_table(group_report, drawing.optimizer)) for drawing in drawings))


def curves_table(group_report: GroupReport, optimizer: str) -> Table:
    """Return the losses of an optimizer's learning rates, of every epoch or every few epochs."""
    own = group_report.curves[group_report.curves.optimizer == optimizer]
    wide = own.pivot_table(index="epoch", columns="lr", values=list(SPLITS), dropna=False)
    lrs, epochs = sorted(set(own.lr)), list(wide.index)
    shown_lrs = _shown_lrs(group_report, optimizer, lrs)
    shown_epochs = sorted({*epochs[:: max(1, math.ceil(len(epochs) / MAX_ROWS))], epochs[-1]})
    columns = [(name, lr) for lr in shown_lrs for name in SPLITS if (name, lr) in wide.columns]
    rows = tuple(
        (f"{epoch:g}", *(format_loss(float(wide.loc[epoch, column])) for column in columns)) for epoch in shown_epochs
    )
    omissions = [
        *([f"{len(shown_lrs)} of {len(lrs)} learning rates"] if len(shown_lrs) < len(lrs) else []),
        *([f"{len(shown_epochs)} of {len(epochs)} epochs"] if len(shown_epochs) < len(epochs) else []),
    ]
    note = (
        f"The table has {join_and(omissions)}; curves.csv has all, with the bands over the seeds." if omissions else ""
    )
    headers = tuple(f"{format_lr(lr)} {SPLITS[name]}" for name, lr in columns)
    return Table(("epoch", *headers), rows, labels=1, note=note)


def _shown_lrs(group_report: GroupReport, optimizer: str, lrs: list[float]) -> list[float]:
    """Return the learning rates to show: all, or evenly spaced ones and the best."""
    best = group_report.comparison.of(optimizer).best
    spaced = lrs[:: max(1, math.ceil(len(lrs) / MAX_COLUMNS))]
    return sorted({*spaced, *([best.lr] if best else [])} & set(lrs))
