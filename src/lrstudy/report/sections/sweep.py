"""The learning-rate sweep of a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lrstudy.formatting import format_loss, format_lr, format_with_deviation, join_and
from lrstudy.report.drawing import Drawing, file_name
from lrstudy.report.figures.sweep import lr_sweep
from lrstudy.report.group_report import GroupReport
from lrstudy.report.sections.section import Block, Figures, Table

MAX_DESCRIBED = 8
CAPTION = (
    "The wider an optimizer's minimum, the less its learning rate must be tuned. A point is a training, a line the "
    "mean over the seeds, a band their span; the best cell has a ring, and its optimizer the bold line; "
    "crosses at the top mark diverged cells, triangles on an edge losses beyond it."
)


def draw(group_report: GroupReport) -> Iterator[Drawing]:
    """Yield the best validation loss against the learning rate."""
    if not group_report.group.cells:
        return
    bests = [
        f"{row.optimizer} is lowest, at {format_loss(row.best_val_loss)}, with {format_lr(row.best_lr)}"
        for row in group_report.optimizers.itertuples()
        if np.isfinite(row.best_val_loss)
    ]
    low, high = map(format_lr, group_report.lr_range)
    outcome = (
        f": {join_and(bests[:MAX_DESCRIBED], len(bests))}." if bests else "; no cell is without a failed training."
    )
    description = f"Best validation loss against learning rates from {low} to {high}, a line per optimizer{outcome}"
    figure = lr_sweep(group_report.cells, group_report.runs, group_report.start_loss, group_report.subject)
    yield Drawing(file_name(group_report.number, "loss_against_learning_rate"), description, figure)


def blocks(group_report: GroupReport, drawings: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the figure with the table of its losses."""
    if drawings:
        yield Figures(tuple((drawing, sweep_table(group_report)) for drawing in drawings), CAPTION)


def sweep_table(group_report: GroupReport) -> Table:
    """Return the best validation loss of each cell."""
    rows = tuple(
        (
            row.optimizer,
            format_lr(row.lr),
            format_with_deviation(row.best_val_loss, row.best_val_loss_sd, format_loss),
            f"{row.n}",
        )
        for row in group_report.cells.sort_values(["optimizer", "lr"]).itertuples()
    )
    return Table(("optimizer", "learning rate", "best validation loss", "seeds"), rows)
