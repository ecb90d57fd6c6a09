"""Loss curves of one optimizer: training and validation loss over the epochs, a line per learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lrstudy.report.figures.style import (
    BEST_WIDTH,
    KIND_LINES,
    MAX_IN_LEGEND,
    STYLE,
    WIDTH,
    format_loss_axis,
    label,
    lr_colour,
    lr_colours,
    lr_norm,
)

# Losses above this many times those of the untrained network are cut off.
CUT = 10.0
# An axis is logarithmic if the losses on it span more than this.
LOG_RATIO = 30.0
PANELS = {"train_loss": "training", "val_loss": "validation"}

# The ends of an axis, and True if it is logarithmic.
Limits = tuple[float, float, bool]


def loss_limits(curves: pd.DataFrame, name: str) -> Limits:
    """Return the limits of an axis for the loss `name` of all curves.

    The axis ends at `CUT` times the highest loss at the first epoch, so that one exploding loss does not hide the
    others.
    """
    values = curves[name][np.isfinite(curves[name])]
    if not len(values):
        return 0.0, 1.0, False
    first = float(curves[name][curves.epoch == curves.epoch.min()].max())
    low, high = float(values.min()), float(min(values.max(), CUT * first) if first > 0 else values.max())
    log = low > 0 and high / low > LOG_RATIO
    return (low / 1.3, high * 1.3, True) if log else (min(0.0, low), high * 1.05 or 1.0, False)


def loss_curves(
    curves: pd.DataFrame,
    cells: pd.DataFrame,
    optimizer: str,
    limits: Mapping[str, Limits],
    lr_range: tuple[float, float],
) -> Figure:
    """Return the figure of one optimizer's losses over the epochs, with bands over the seeds.

    Args:
        curves: the frame of `curves_table`.
        cells: the frame of `cells_table`, for the kinds and verdicts.
        optimizer: the optimizer to draw.
        limits: the limits of the axes of `train_loss` and `val_loss`, the same for all optimizers.
        lr_range: the lowest and the highest learning rate of all optimizers, for the colours.
    """
    own = cells[cells.optimizer == optimizer].sort_values("lr", ascending=False)
    by_lr = dict(iter(curves[curves.optimizer == optimizer].groupby("lr")))
    crowded = len(own) > MAX_IN_LEGEND
    ranked = own[own["rank"].notna()].sort_values("rank")
    best = ranked.lr.iloc[0] if len(ranked) else None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 6.6), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, (name, split) in zip(panels, PANELS.items(), strict=True):
            for row in own.itertuples():
                if row.lr in by_lr:
                    width = _line_width(row.kind, crowded=crowded, best=row.lr == best)
                    _draw_curve(axes, by_lr[row.lr], name, row, lr_colour(row.lr, lr_range), limits[name][1], width)
            axes.set_ylabel(f"{split} loss (nats)")
            format_loss_axis(axes, *limits[name])
        panels[1].set_xlabel("epoch")
        panels[1].xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
        figure.suptitle(f"{label(optimizer)}: loss curves", fontweight="bold")
        if crowded:
            _draw_legend_of_kinds(figure, own)
            mappable = mpl.cm.ScalarMappable(lr_norm(lr_range), lr_colours())
            figure.colorbar(mappable, ax=panels, location="bottom", shrink=0.9, aspect=35, label="learning rate")
        else:
            handles = [_handle(row, lr_range, best=row.lr == best) for row in own.itertuples()]
            figure.legend(handles=handles, loc="outside lower center", ncols=2, title="learning rate, kind, verdict")
    return figure


def _draw_curve(axes: Axes, curve: pd.DataFrame, name: str, row: Any, colour: Any, top: float, width: float) -> None:
    """Draw a learning rate's line, its band over the seeds, and a cross where a diverged training ended."""
    known = curve[curve[name].notna()]
    if known.empty:
        return
    axes.plot(known.epoch, known[name], color=colour, linestyle=KIND_LINES[row.kind], linewidth=width)
    if row.n > 1:
        low, high = known[f"{name}_low"], known[f"{name}_high"]
        axes.fill_between(known.epoch, low, high, color=colour, alpha=0.18, linewidth=0)
    if len(known) == 1 or row.verdict == "diverged":
        marker = "x" if row.verdict == "diverged" else "o"
        last = known[name].iloc[-1:].clip(upper=top)
        axes.plot(known.epoch.iloc[-1:], last, marker, color=colour, markersize=7, markeredgewidth=2, clip_on=False)


def _line_width(kind: str, *, best: bool, crowded: bool = False) -> float:
    if best:
        return BEST_WIDTH
    if crowded:
        return 0.8
    return 1.8 if kind == "good" else 1.3


def _handle(row: Any, lr_range: tuple[float, float], *, best: bool) -> Line2D:
    verdict = f", {row.verdict}" if row.verdict not in (row.kind, "not judged") else ""
    return Line2D(
        [],
        [],
        color=lr_colour(row.lr, lr_range),
        linestyle=KIND_LINES[row.kind],
        linewidth=_line_width(row.kind, best=best),
        label=f"{row.lr:.3g}: {row.kind}{verdict}",
    )


def _draw_legend_of_kinds(figure: Figure, own: pd.DataFrame) -> None:
    counts = own.kind.value_counts()
    handles = [
        Line2D([], [], color="#444444", linestyle=line, label=f"{kind} ({counts[kind]})")
        for kind, line in KIND_LINES.items()
        if kind in counts
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=2.4, columnspacing=1)
