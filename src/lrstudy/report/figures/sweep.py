"""Learning-rate sweep: the best validation loss against the learning rate, a line per optimizer."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrstudy.report.figures.style import (
    MAX_IN_LEGEND,
    STYLE,
    WIDTH,
    draw_crosses,
    format_loss_axis,
    format_lr_axis,
    label,
    optimizer_styles,
)


def lr_sweep(cells: pd.DataFrame, runs: pd.DataFrame, untrained_loss: float) -> Figure:
    """Return the figure of the best validation loss against the learning rate.

    A line is an optimizer's mean, a point a training, a band the span of the seeds.

    Args:
        cells: the frame of `cells_table`.
        runs: the frame of `runs_table`.
        untrained_loss: the loss of the untrained network, NaN if unknown.
    """
    styles = optimizer_styles(list(dict.fromkeys(cells.optimizer)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        axes = figure.subplots()
        format_lr_axis(axes)
        finite = cells[np.isfinite(cells.best_val_loss) & (cells.verdict != "diverged")]
        known = [untrained_loss] if np.isfinite(untrained_loss) else []
        top = max([*finite.best_val_loss, *known], default=1.0)
        for name in sorted(set(cells.optimizer), key=list(styles).index):
            _draw_optimizer(axes, name, finite, runs, styles[name], top)
            diverged = cells[(cells.optimizer == name) & (cells.verdict == "diverged")]
            draw_crosses(axes, diverged.lr, styles[name][0])
        if known:
            _draw_untrained_loss(axes, untrained_loss)
        for best in finite[finite["rank"] == 1].itertuples():
            axes.plot(best.lr, best.best_val_loss, "o", markersize=14, markerfacecolor="none", markeredgecolor="black")
        lowest = finite.best_val_loss.min() if len(finite) else 1.0
        log = 0 < lowest < top / 10
        format_loss_axis(axes, *((lowest / 1.3, top * 1.5) if log else (0.0, top * 1.25)), log)
        axes.set_ylabel("best validation loss (nats)")
        axes.set_xlabel("learning rate")
        figure.suptitle("Learning-rate sweep", fontweight="bold")
        figure.legend(loc="outside lower center", ncols=4, handlelength=1.8, columnspacing=1.2)
    return figure


def _draw_optimizer(
    axes: Axes, name: str, finite: pd.DataFrame, runs: pd.DataFrame, style: tuple[str, str], top: float
) -> None:
    """Draw one optimizer: its cells' means as a line, its trainings as points."""
    colour, marker = style
    own = finite[finite.optimizer == name].sort_values("lr")
    crowded = len(own) > MAX_IN_LEGEND
    line: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.6} if crowded else {}
    size = 4 if crowded else 6
    axes.plot(own.lr, own.best_val_loss, color=colour, marker=marker, markersize=size, label=label(name), **line)
    if (own.n > 1).any():
        _draw_seeds(axes, own, runs[(runs.left_out == "") & (runs.optimizer == name)], colour, top)


def _draw_seeds(axes: Axes, own: pd.DataFrame, runs: pd.DataFrame, colour: str, top: float) -> None:
    """Draw an optimizer's trainings as points and the span of each cell's seeds as a band."""
    trainings = runs.assign(lr=pd.to_numeric(runs.lr.str.strip("'\" "), errors="coerce"))
    trainings = trainings[np.isfinite(trainings.best_val_loss)]
    spread = trainings.groupby("lr").best_val_loss.agg(["min", "max"]).loc[lambda frame: frame.index.isin(own.lr)]
    axes.fill_between(spread.index, spread["min"], spread["max"], color=colour, alpha=0.15, linewidth=0)
    axes.plot(trainings.lr, trainings.best_val_loss.clip(upper=top), ".", color=colour, markersize=3, alpha=0.7)


def _draw_untrained_loss(axes: Axes, loss: float) -> None:
    axes.axhline(loss, color="#777777", linewidth=1, linestyle=":")
    axes.annotate(
        "untrained",
        (0.01, loss),
        xycoords=axes.get_yaxis_transform(),  # a share of the width, a loss
        xytext=(0, 5),  # above the points on the line
        textcoords="offset points",
        color="#555555",
        fontsize=9,
    )
