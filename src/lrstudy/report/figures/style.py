"""Colours, lines and axes that the report's figures share.

A figure is as wide as a phone's screen, so that its text is legible there and side by side on a desk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lrstudy.figure_layout import FIXED_TITLES
from lrstudy.formatting import truncate
from lrstudy.optimizers import DEFAULT_OPTIMIZERS

WIDTH = 4.8  # inches
# Text and axes; the page replaces these colours where readers prefer a dark one, so that no curve may have them.
INK, QUIET, GRID, PAPER = "#1a1a1a", "#555555", "#dddddd", "#ffffff"
# Okabe and Ito's colours, distinct for the colour-blind; the markers are distinct in grey.
MAIN_STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"))
OTHER_STYLES = ((INK, "v"), ("#56B4E9", "P"), ("#8C6D00", "X"), ("#777777", "<"))
OPTIMIZER_STYLES = dict(zip(DEFAULT_OPTIMIZERS, MAIN_STYLES, strict=True))
# The four kinds of curve that a learning rate makes, distinct without colour.
KIND_LINES: dict[str, Any] = {"very high": ":", "high": (0, (5, 2)), "good": "-", "low": (0, (6, 2, 1, 2))}
KIND_COLOURS = {"very high": "#D55E00", "high": "#C98A00", "good": "#009E73", "low": "#0072B2"}
# Background and text colour of each verdict: the better, the darker, so that the order shows in grey too.
VERDICT_COLOURS = {
    "good": ("#1B6E3C", "#FFFFFF"),
    "overfits": ("#7FB77E", "#000000"),
    "too slow": ("#B9D3EA", "#000000"),
    "unstable": ("#F6C97F", "#000000"),
    "collapsed": ("#F6B3A0", "#000000"),
    "diverged": ("#F3DCE6", "#000000"),
}
NO_VERDICT = ("#EEEEEE", "#000000")
BEST_WIDTH, OTHER_WIDTH = 2.8, 1.3
# More lines than this are identified by a colour bar instead of a legend.
MAX_IN_LEGEND = 8
MAX_LEGEND_COLUMNS = 4
# The crosses of diverged trainings stand at this share of an axis's height.
CROSS_HEIGHT = 0.95
STYLE: dict[Any, Any] = FIXED_TITLES | {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "path.simplify": False,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}


def label(name: str) -> str:
    """Return a name that matplotlib neither reads as a formula nor leaves out of a legend."""
    text = plain(truncate(name))
    return f"\u200b{text}" if text.startswith("_") else text


def plain(text: str) -> str:
    """Return a text that matplotlib does not read as a formula."""
    return text.replace("$", r"\$")


def curve_id(optimizer: str, lr: float, part: str) -> str:
    """Return the id of a curve in a figure, by which the page's script finds it: `curve:adam 0.001|validation`."""
    return f"curve:{optimizer} {lr:.6g}|{part}"


def optimizer_styles(optimizers: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return each optimizer's colour and marker, the same in all figures.

    `sgd momentum=0.9` has those of `sgd` if it is the only one of that name.
    """
    names = Counter(optimizer.partition(" ")[0] for optimizer in optimizers)
    own = {
        optimizer: OPTIMIZER_STYLES[name]
        for optimizer in optimizers
        if (name := optimizer.partition(" ")[0]) in OPTIMIZER_STYLES and names[name] == 1
    }
    known = OPTIMIZER_STYLES | own
    others = [name for name in optimizers if name not in known]
    return known | {name: OTHER_STYLES[index % len(OTHER_STYLES)] for index, name in enumerate(others)}


@cache
def lr_colours() -> Any:
    """Return the colour map of learning rates, dark for high ones, without the ends that a page would swallow."""
    return mpl.colors.ListedColormap(mpl.colormaps["plasma_r"](np.linspace(0.18, 0.74, 256)))


@cache
def lr_norm(lr_range: tuple[float, float]) -> Normalize:
    """Return the logarithmic scale from the lowest to the highest learning rate."""
    low, high = lr_range
    return LogNorm(low, high) if low < high else LogNorm(low / 2, high * 2)


def lr_colour(lr: float, lr_range: tuple[float, float]) -> Any:
    """Return a learning rate's colour, by its place between the lowest and the highest on a logarithmic axis."""
    return lr_colours()(lr_norm(lr_range)(lr))


def add_title(figure: Figure, title: str, subject: str) -> None:
    """Add a title in bold, and below it the data and the network, above the first axes.

    Args:
        figure: with axes without a title of their own.
        title: what the figure shows.
        subject: the data, the network and the length of the trainings.
    """
    figure.suptitle(title, fontweight="bold")
    figure.axes[0].set_title(plain(subject), fontsize=8.5, color=QUIET, loc="left")


def add_legend(figure: Figure, handles: Sequence[Artist] | None = None) -> None:
    """Add a legend below the axes, with as many columns as its width allows; without handles, of all labelled lines."""
    own = {} if handles is None else {"handles": [*handles]}
    for columns in range(MAX_LEGEND_COLUMNS, 0, -1):
        legend = figure.legend(**own, loc="outside lower center", ncols=columns, handlelength=1.8, columnspacing=1.2)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def draw_crosses(axes: Axes, lrs: pd.Series, colour: str, height: float = CROSS_HEIGHT) -> None:
    """Draw a cross at each learning rate, at a share of the axis's height."""
    transform = axes.get_xaxis_transform()
    axes.plot(lrs, [height] * len(lrs), "x", color=colour, markersize=7, markeredgewidth=2, transform=transform)


def use_plain_numbers(axis: Axis) -> None:
    """Label the major ticks of a logarithmic axis with plain numbers, and no others."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def format_lr_axis(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with plain numbers."""
    axes.set_xscale("log")
    use_plain_numbers(axes.xaxis)


def format_loss_axis(axes: Axes, low: float, high: float, log: bool) -> None:
    """Set the ends and the scale of a vertical axis for losses, with plain numbers."""
    if log:
        axes.set_yscale("log")
        decades = LogLocator(10, (1.0,) if high / low > 100 else (1.0, 2.0, 5.0), numticks=12)
        axes.yaxis.set_major_locator(decades if high / low > 10 else MaxNLocator(5))
        use_plain_numbers(axes.yaxis)
    axes.set_ylim(low, high)
