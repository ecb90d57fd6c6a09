"""Loss curves of one optimizer: training and validation loss over the epochs, a line per learning rate."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lrstudy.report.figures.loss_range import LossRange, mark_cuts
from lrstudy.report.figures.style import (
    BEST_WIDTH,
    KIND_LINES,
    MAX_IN_LEGEND,
    OTHER_WIDTH,
    QUIET,
    STYLE,
    WIDTH,
    add_title,
    curve_id,
    format_loss_axis,
    label,
    lr_colour,
    lr_colours,
    lr_norm,
)

# The splits of the losses, a panel for each.
SPLITS = {"train_loss": "training", "val_loss": "validation"}


def loss_curves(
    curves: pd.DataFrame,
    cells: pd.DataFrame,
    optimizer: str,
    shown: LossRange,
    lr_range: tuple[float, float],
    subject: str,
) -> Figure:
    """Return the figure of one optimizer's losses over the epochs, with bands over the seeds.

    Args:
        curves: the frame of `curves_table`.
        cells: the frame of `cells_table`, for the kinds and verdicts.
        optimizer: the optimizer to draw.
        shown: the range of losses, the same for both panels and for all optimizers.
        lr_range: the lowest and the highest learning rate of all optimizers, for the colours.
        subject: of the title.
    """
    own = cells[cells.optimizer == optimizer].sort_values("lr", ascending=False)
    by_lr = dict(iter(curves[curves.optimizer == optimizer].groupby("lr")))
    crowded = len(own) > MAX_IN_LEGEND
    ranked = own[own["rank"].notna()].sort_values("rank")
    best = ranked.lr.iloc[0] if len(ranked) else None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 6.6), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, (name, split) in zip(panels, SPLITS.items(), strict=True):
            for row in own.itertuples():
                if row.lr in by_lr:
                    width = _line_width(row.kind, crowded=crowded, best=row.lr == best)
                    _draw_curve(axes, by_lr[row.lr], name, row, lr_colour(row.lr, lr_range), shown, width)
            axes.set_ylabel(f"{split} loss (nats)")
            format_loss_axis(axes, *shown)
        panels[1].set_xlabel("epoch")
        panels[1].xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
        add_title(figure, f"{label(optimizer)}: loss curves", subject)
        if crowded:
            _draw_legend_of_kinds(figure, own)
            mappable = mpl.cm.ScalarMappable(lr_norm(lr_range), lr_colours())
            figure.colorbar(mappable, ax=panels, location="bottom", shrink=0.9, aspect=35, label="learning rate")
        else:
            handles = [_handle(row, lr_range, best=row.lr == best) for row in own.itertuples()]
            figure.legend(handles=handles, loc="outside lower center", ncols=1, title="learning rate: kind of curve")
    return figure


def _draw_curve(
    axes: Axes, curve: pd.DataFrame, name: str, row: Any, colour: Any, shown: LossRange, width: float
) -> None:
    """Draw a learning rate's line, its band over the seeds, and a cross where a diverged training ended."""
    known = curve[curve[name].notna()]
    if known.empty:
        return
    gid = curve_id(row.optimizer, row.lr, SPLITS[name])
    axes.plot(known.epoch, known[name], color=colour, linestyle=KIND_LINES[row.kind], linewidth=width, gid=gid)
    mark_cuts(axes, known.epoch.tolist(), known[name].to_numpy(), shown, colour)
    if row.n > 1:
        low, high = known[f"{name}_low"], known[f"{name}_high"]
        axes.fill_between(known.epoch, low, high, color=colour, alpha=0.18, linewidth=0)
    if len(known) == 1 or row.verdict == "diverged":
        marker = "x" if row.verdict == "diverged" else "o"
        last = known[name].iloc[-1:].clip(shown.low, shown.high)
        axes.plot(known.epoch.iloc[-1:], last, marker, color=colour, markersize=7, markeredgewidth=2, clip_on=False)


def _line_width(kind: str, *, best: bool, crowded: bool = False) -> float:
    if best:
        return BEST_WIDTH
    if crowded:
        return 0.8
    return 1.8 if kind == "good" else OTHER_WIDTH


def _handle(row: Any, lr_range: tuple[float, float], *, best: bool) -> Line2D:
    return Line2D(
        [],
        [],
        color=lr_colour(row.lr, lr_range),
        linestyle=KIND_LINES[row.kind],
        linewidth=_line_width(row.kind, best=best),
        label=f"{row.lr:.3g}: {row.curve}",
    )


def _draw_legend_of_kinds(figure: Figure, own: pd.DataFrame) -> None:
    counts = own.kind.value_counts()
    handles = [
        Line2D([], [], color=QUIET, linestyle=line, label=f"{kind} ({counts[kind]})")
        for kind, line in KIND_LINES.items()
        if kind in counts
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=2.4, columnspacing=1)
