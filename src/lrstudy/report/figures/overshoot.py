"""Overshooting: the learning rate over the critical one against the learning rate, a line per optimizer."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from lrstudy.report.figures.style import (
    QUIET,
    STYLE,
    WIDTH,
    add_legend,
    add_title,
    draw_crosses,
    format_lr_axis,
    label,
    optimizer_styles,
    use_plain_numbers,
)
from lrstudy.verdicts.causes import EARLY_EPOCHS

# A mark per verdict: round ones for trainings that went well, pointed ones for those that did not.
VERDICT_MARKERS = {"good": "o", "overfits": "s", "too slow": "v", "unstable": "^", "collapsed": "P", "diverged": "X"}
OTHER_MARKER = "."
SHADE = "#D55E00"
# The axis ends at this factor beyond the values and the critical learning rate.
MARGIN = 2.0


def overshoot(causes: pd.DataFrame, subject: str) -> Figure:
    """Return the figure of the learning rate over the critical one.

    Args:
        causes: the frame of `causes_table`.
        subject: of the title.
    """
    styles = optimizer_styles(list(dict.fromkeys(causes.optimizer)))
    known = causes[np.isfinite(causes.lr_over_critical)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.8), layout="constrained")
        axes = figure.subplots()
        format_lr_axis(axes)
        _format_ratio_axis(axes, known)
        for name in sorted(set(causes.optimizer), key=list(styles).index):
            own = known[known.optimizer == name].sort_values("lr")
            axes.plot(own.lr, own.lr_over_critical, color=styles[name][0], label=label(name))
            for verdict, marked in own.groupby("verdict"):
                marker = VERDICT_MARKERS.get(str(verdict), OTHER_MARKER)
                axes.plot(marked.lr, marked.lr_over_critical, marker, color=styles[name][0], markersize=7)
            uphill = causes[(causes.optimizer == name) & causes.lr_over_critical.isna() & (causes.no_descent > 0)]
            draw_crosses(axes, uphill.lr, styles[name][0])
        axes.set_ylabel("learning rate / critical learning rate")
        axes.set_xlabel("learning rate")
        add_title(figure, f"The longest step of the first {EARLY_EPOCHS} epochs", subject)
        add_legend(figure, _handles(axes, set(known.verdict)))
    return figure


def _format_ratio_axis(axes: Axes, known: pd.DataFrame) -> None:
    """Make the vertical axis logarithmic, with 1 inside it and the region above 1 shaded."""
    values = [1.0, *known.lr_over_critical]
    low, high = min(values) / MARGIN, max(values) * MARGIN
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(10, numticks=10))
    use_plain_numbers(axes.yaxis)
    axes.set_ylim(low, high)
    axes.axhspan(1.0, high, color=SHADE, alpha=0.12, linewidth=0)
    axes.annotate(
        "overshoots: the step raises the loss",
        (0.02, 0.98),
        xycoords="axes fraction",
        verticalalignment="top",
        color=QUIET,
        fontsize=9,
    )


def _handles(axes: Axes, verdicts: set[str]) -> list[Artist]:
    """Return the legend's entries: the lines of the optimizers, and the marks of the verdicts."""
    lines, _ = axes.get_legend_handles_labels()
    marks = [
        Line2D([], [], color=QUIET, linestyle="", marker=marker, label=verdict)
        for verdict, marker in VERDICT_MARKERS.items()
        if verdict in verdicts
    ]
    return [*lines, *marks]
