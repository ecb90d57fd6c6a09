"""Learning-rate sweep: the best validation loss against the learning rate, a line per optimizer."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrstudy.report.figures.loss_range import LossRange, StartLoss, loss_range, mark_cuts
from lrstudy.report.figures.style import (
    BEST_WIDTH,
    INK,
    OTHER_WIDTH,
    QUIET,
    STYLE,
    WIDTH,
    add_legend,
    add_title,
    draw_crosses,
    format_loss_axis,
    format_lr_axis,
    label,
    optimizer_styles,
)
from lrstudy.report.run_settings import number

# With more cells than this, all markers are smaller.
MAX_LARGE_POINTS = 40
# If all losses are below this share of that of guessing, the axis ends above them.
LEARNED_SHARE = 0.5


def lr_sweep(cells: pd.DataFrame, runs: pd.DataFrame, start: StartLoss, subject: str) -> Figure:
    """Return the figure of the best validation loss against the learning rate.

    A line is an optimizer's mean, a point a training, a band the span of the seeds. The lines of all optimizers follow
    one rule: that of the best cell is bold, the others are not.

    Args:
        cells: the frame of `cells_table`.
        runs: the frame of `runs_table`.
        start: the losses before learning.
        subject: of the title.
    """
    styles = optimizer_styles(list(dict.fromkeys(cells.optimizer)))
    finite = cells[np.isfinite(cells.best_val_loss) & (cells.verdict != "diverged")]
    lowest = float(finite.best_val_loss.min()) if len(finite) else np.nan
    means = finite.best_val_loss.to_numpy(float)
    highest = float(means.max(initial=0.0))
    # Where each cell has learned much, the differences among them are small beside the loss of guessing.
    learned = 0 < highest < LEARNED_SHARE * start.top
    losses = np.append(means, runs.best_val_loss[runs.left_out == ""].min())
    shown = loss_range(losses, lowest, StartLoss(highest, math.nan) if learned else start)
    best = finite[finite["rank"] == 1]
    bold = set(best.optimizer)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        axes = figure.subplots()
        format_lr_axis(axes)
        size = 6 if len(cells) <= MAX_LARGE_POINTS else 4
        for name in sorted(set(cells.optimizer), key=lambda name: (name in bold, list(styles).index(name))):
            _draw_optimizer(axes, name, finite, runs, Line(*styles[name], size, name in bold), shown)
            diverged = cells[(cells.optimizer == name) & (cells.verdict == "diverged")]
            draw_crosses(axes, diverged.lr, styles[name][0])
        if np.isfinite(start.guessing):
            _draw_guessing(axes, start.guessing, shown)
        axes.plot(best.lr, best.best_val_loss, "o", markersize=14, markerfacecolor="none", markeredgecolor=INK)
        format_loss_axis(axes, *shown)
        axes.set_ylabel("best validation loss (nats)")
        axes.set_xlabel("learning rate")
        add_title(figure, "Learning-rate sweep", subject)
        add_legend(figure)
    return figure


class Line(NamedTuple):
    """The line of an optimizer, with the size of its markers in points; bold if it has the best cell."""

    colour: str
    marker: str
    size: int
    bold: bool


def _draw_optimizer(
    axes: Axes, name: str, finite: pd.DataFrame, runs: pd.DataFrame, line: Line, shown: LossRange
) -> None:
    """Draw one optimizer: its cells' means as a line, its trainings as points."""
    own = finite[finite.optimizer == name].sort_values("lr")
    drawn = axes.plot(
        own.lr,
        own.best_val_loss,
        color=line.colour,
        marker=line.marker,
        markersize=line.size,
        linewidth=BEST_WIDTH if line.bold else OTHER_WIDTH,
        zorder=3 if line.bold else 2,
        label=label(name),
        gid=f"curve:{name}|best validation loss",
    )
    mark_cuts(axes, own.lr.tolist(), own.best_val_loss.to_numpy(float), shown, line.colour)
    if (own.n > 1).any():
        _draw_seeds(axes, own, runs[(runs.left_out == "") & (runs.optimizer == name)], drawn[0].get_color(), shown)


def _draw_seeds(axes: Axes, own: pd.DataFrame, runs: pd.DataFrame, colour: Any, shown: LossRange) -> None:
    """Draw an optimizer's trainings as points and the span of each cell's seeds as a band."""
    trainings = runs.assign(lr=runs.lr.map(number))
    trainings = trainings[np.isfinite(trainings.best_val_loss)]
    spread = trainings.groupby("lr").best_val_loss.agg(["min", "max"]).loc[lambda frame: frame.index.isin(own.lr)]
    axes.fill_between(spread.index, spread["min"], spread["max"], color=colour, alpha=0.15, linewidth=0)
    axes.plot(trainings.lr, trainings.best_val_loss.clip(upper=shown.high), ".", color=colour, markersize=3, alpha=0.7)


def _draw_guessing(axes: Axes, loss: float, shown: LossRange) -> None:
    """Draw a line at the loss of guessing, or name it at the top if it is above."""
    above = loss > shown.high
    if not above:
        axes.axhline(loss, color=QUIET, linewidth=1, linestyle=":")
    axes.annotate(
        f"guessing, {loss:.2g}, is above" if above else "guessing",
        (0.01, shown.high if above else loss),
        xycoords=axes.get_yaxis_transform(),  # a share of the width, a loss
        xytext=(0, -12 if above else 5),  # above the points on the line
        textcoords="offset points",
        color=QUIET,
        fontsize=9,
    )
