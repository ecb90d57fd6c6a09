"""Network shapes side by side: validation loss and generalisation gap against the learning rate."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lrstudy.report.figures.style import (
    CROSS_HEIGHT,
    MAIN_STYLES,
    OTHER_STYLES,
    QUIET,
    STYLE,
    WIDTH,
    draw_crosses,
    format_loss_axis,
    format_lr_axis,
    label,
    plain,
)

# The crosses of several shapes at one learning rate stand above each other, this share of the height apart.
CROSS_STEP = 0.08
STYLES = (*MAIN_STYLES, *OTHER_STYLES)


def network_shapes(table: pd.DataFrame, data: str) -> Figure:
    """Return the figure of the shapes' losses and gaps, two panels per optimizer.

    Diverged or collapsed cells are crosses at the top.

    Args:
        table: the frame of `shapes_table`.
        data: its name, for the title.
    """
    optimizers, shapes = list(dict.fromkeys(table.optimizer)), list(dict.fromkeys(table.hidden))
    styles = {shape: STYLES[index % len(STYLES)] for index, shape in enumerate(shapes)}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.2 + 3.6 * len(optimizers)), layout="constrained")
        panels = figure.subplots(2 * len(optimizers), 1, squeeze=False)[:, 0]
        for index, name in enumerate(optimizers):
            own = table[table.optimizer == name]
            loss, gap = panels[2 * index : 2 * index + 2]
            for place, shape in enumerate(shapes):
                _draw_shape(loss, gap, own[own.hidden == shape], styles[shape], CROSS_HEIGHT - CROSS_STEP * place)
            _format_panel(loss, f"{label(name)}: best validation loss", table.lr)
            _format_panel(gap, f"{label(name)}: validation − training loss", table.lr)
            known = own.best_val_loss[np.isfinite(own.best_val_loss) & (own.verdict != "collapsed")]
            if len(known) and known.min() > 0:
                room = (known.max() / known.min()) ** 0.2  # for crosses
                format_loss_axis(loss, known.min() / 1.3, known.max() * 1.6 * room, log=True)
            gap.axhline(0, color=QUIET, linewidth=0.8)
        panels[-1].set_xlabel("learning rate")
        figure.suptitle(f"{plain(data)}: loss, and gap at the end, by network shape", fontweight="bold")
        handles = [
            Line2D([], [], color=colour, marker=marker, label=label(shape))
            for shape, (colour, marker) in styles.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, title="neurons of the dense layers")
    return figure


def _format_panel(axes: Axes, title: str, lrs: pd.Series) -> None:
    format_lr_axis(axes)
    axes.set_xlim(lrs.min() / 1.5, lrs.max() * 1.5)
    axes.set_ylabel("nats")
    axes.set_title(title, fontsize=10, loc="left")


def _draw_shape(loss: Axes, gap: Axes, own: pd.DataFrame, style: tuple[str, str], cross_height: float) -> None:
    """Draw one shape's losses and gaps with one optimizer."""
    colour, marker = style
    failed = own.verdict.isin(["diverged", "collapsed"])
    usable = own[~failed].sort_values("lr")
    line: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "capsize": 2}
    loss.errorbar(usable.lr, usable.best_val_loss, usable.best_val_loss_sd, **line)
    gap.errorbar(usable.lr, usable.generalisation_gap, usable.generalisation_gap_sd, **line)
    draw_crosses(loss, own.lr[failed], colour, cross_height)
