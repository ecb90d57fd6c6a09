"""The four kinds of loss curve in one panel: up to one curve of each, with its name on the line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lrstudy.report.figures.loss_range import LossRange, StartLoss, loss_range, mark_cuts
from lrstudy.report.figures.style import (
    BEST_WIDTH,
    KIND_COLOURS,
    KIND_LINES,
    PAPER,
    QUIET,
    STYLE,
    WIDTH,
    add_title,
    curve_id,
    format_loss_axis,
    label,
)

# The names stand in this part of the width, to the right of the curves, this share of the height apart.
NAMES_WIDTH, NAMES_APART = 0.42, 0.09


class ShownCurve(NamedTuple):
    """A kind of curve and the cell that shows it."""

    kind: str
    optimizer: str
    lr: float


def four_kinds(curves: pd.DataFrame, shown: Sequence[ShownCurve], start: StartLoss, subject: str) -> Figure:
    """Return the figure of the validation loss over the epochs.

    Args:
        curves: the frame of `curves_table`.
        shown: the curves to draw, the highest learning rate first.
        start: the losses before learning.
        subject: of the title.
    """
    drawn = [curves[(curves.optimizer == one.optimizer) & (curves.lr == one.lr)].val_loss for one in shown]
    losses = pd.concat(drawn)
    limits = loss_range(losses.to_numpy(float), float(losses.min()), start)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        axes = figure.subplots()
        format_loss_axis(axes, *limits)
        if np.isfinite(start.guessing):
            axes.axhline(start.guessing, color=QUIET, linewidth=1, linestyle=":")
        last = max(float(curves.epoch.max()), 1.0)
        axes.set_xlim(0, last / (1 - NAMES_WIDTH))
        ends = [_draw(axes, curves, one, limits) for one in reversed(shown)][::-1]  # the highest on top
        _name(axes, shown, ends, last)
        axes.set_xlabel("epoch", loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True, nbins=6))
        axes.set_xticks([tick for tick in axes.get_xticks() if tick <= last])
        axes.set_ylabel("validation loss (nats)")
        add_title(figure, "Kinds of loss curve", subject)
    return figure


def _draw(axes: Axes, curves: pd.DataFrame, one: ShownCurve, limits: LossRange) -> tuple[float, float]:
    """Draw a curve; return its last epoch and where it ends, as a share of the height."""
    own = curves[(curves.optimizer == one.optimizer) & (curves.lr == one.lr) & curves.val_loss.notna()]
    colour, gid = KIND_COLOURS[one.kind], curve_id(one.optimizer, one.lr, "validation")
    width = BEST_WIDTH if one.kind == "good" else 2.0
    axes.plot(own.epoch, own.val_loss, color=colour, linestyle=KIND_LINES[one.kind], linewidth=width, gid=gid)
    mark_cuts(axes, own.epoch.tolist(), own.val_loss.to_numpy(), limits, colour)
    end = float(np.clip(own.val_loss.iloc[-1], limits.low, limits.high))
    height = axes.transAxes.inverted().transform(axes.transData.transform((0.0, end)))[1]
    return float(own.epoch.iloc[-1]), float(height)


def _name(axes: Axes, shown: Sequence[ShownCurve], ends: Sequence[tuple[float, float]], last: float) -> None:
    """Write each curve's name to the right of its end, apart from the others."""
    order = sorted(range(len(shown)), key=lambda index: ends[index][1])
    heights: list[float] = []
    for index in order:
        lowest = heights[-1] + NAMES_APART if heights else 0.02
        heights.append(max(ends[index][1], lowest))
    heights = [min(height, 0.97 - NAMES_APART * (len(heights) - 1 - place)) for place, height in enumerate(heights)]
    for index, height in zip(order, heights, strict=True):
        one, (epoch, end) = shown[index], ends[index]
        colour = KIND_COLOURS[one.kind]
        axes.annotate(
            f"{one.kind}: {label(one.optimizer)} {one.lr:.3g}",
            xy=(epoch, end),
            xycoords=axes.get_xaxis_transform(),
            xytext=(last * 1.04, height),
            textcoords=axes.get_xaxis_transform(),
            color=colour,
            fontweight="bold",
            fontsize=9,
            va="center",
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5},
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 1},
        )
