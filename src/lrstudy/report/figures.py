"""The figures of the report: frames of `tables` in, figures out, nothing read and nothing saved.

A figure is as wide as a phone's screen, so that its letters are legible there and side by side on a desk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lrstudy.formatting import format_percent, format_with_deviation, truncate

WIDTH = 4.8  # inches
# Okabe and Ito's colours, told apart by the colour-blind; the markers tell them apart in grey.
OPTIMIZER_STYLES = {
    "sgd": ("#0072B2", "o"),
    "rmsprop": ("#D55E00", "s"),
    "adagrad": ("#009E73", "^"),
    "adam": ("#CC79A7", "D"),
}
OTHER_STYLES = (("#000000", "v"), ("#56B4E9", "P"), ("#8C6D00", "X"), ("#777777", "<"))
# The four kinds of curve that a learning rate makes, told apart without colour.
KIND_LINES: dict[str, Any] = {"very high": ":", "high": (0, (5, 2)), "good": "-", "low": (0, (6, 2, 1, 2))}
# A word's background and letters: the better, the darker, so that the order is seen in grey too.
VERDICT_COLOURS = {
    "good": ("#1B6E3C", "#FFFFFF"),
    "overfits": ("#7FB77E", "#000000"),
    "too slow": ("#B9D3EA", "#000000"),
    "unstable": ("#F6C97F", "#000000"),
    "collapsed": ("#F6B3A0", "#000000"),
    "diverged": ("#F3DCE6", "#000000"),
}
NO_VERDICT = ("#EEEEEE", "#000000")
BEST_WIDTH = 2.8
# More lines than this are told apart by a colour bar, not by a legend.
MAX_NAMED = 8
# Losses above so many times those of the untrained network are cut off.
CUT = 10.0
# The crosses of what diverged stand at this share of an axis's height.
CROSSES = 0.95
# An axis is logarithmic if the losses on it span more than this.
LOG_RATIO = 30.0
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "svg.hashsalt": "learning rates",
}


def _named(name: str) -> str:
    """A name as matplotlib takes it: not as a formula, nor as one that a legend is to leave out."""
    plain = truncate(name).replace("$", r"\$")
    return f"\u200b{plain}" if plain.startswith("_") else plain


def optimizer_styles(optimizers: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Each optimizer's colour and marker, the same in all figures."""
    others = [name for name in optimizers if name not in OPTIMIZER_STYLES]
    return OPTIMIZER_STYLES | {name: OTHER_STYLES[index % len(OTHER_STYLES)] for index, name in enumerate(others)}


Limits = tuple[float, float, bool]


def loss_limits(curves: pd.DataFrame, name: str) -> Limits:
    """The ends of an axis for the loss `name` of all curves, and whether it is logarithmic.

    A loss that explodes leaves the axis at `CUT` times the highest one at the first epoch: the others are to be seen.
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
    rates: tuple[float, float],
) -> Figure:
    """Training and validation loss of one optimizer's learning rates over the epochs, with bands over the seeds.

    Args:
        curves: of `curves_table`.
        cells: of `cells_table`, for the kinds and verdicts.
        optimizer: whose.
        limits: of the axes of `train_loss` and `val_loss`, as `loss_limits` gives them for all optimizers.
        rates: the lowest and the highest learning rate of all optimizers, for the colours.
    """
    own = cells[cells.optimizer == optimizer].sort_values("lr", ascending=False)
    by_rate = dict(iter(curves[curves.optimizer == optimizer].groupby("lr")))
    many = len(own) > MAX_NAMED
    ranked = own[own["rank"].notna()].sort_values("rank")
    best = ranked.lr.iloc[0] if len(ranked) else None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 6.6), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, name, part in zip(panels, ("train_loss", "val_loss"), ("training", "validation"), strict=True):
            for row in own.itertuples():
                if row.lr in by_rate:
                    _curve(axes, by_rate[row.lr], name, row, rates, limits[name][1], thin=many, best=row.lr == best)
            axes.set_ylabel(f"{part} loss (nats)")
            _loss_axis(axes, *limits[name])
        panels[1].set_xlabel("epoch")
        panels[1].xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
        figure.suptitle(f"{_named(optimizer)}: loss over the epochs", fontweight="bold")
        if many:
            _kinds_legend(figure, own)
            mappable = mpl.cm.ScalarMappable(_rate_norm(rates), _rate_colours())
            figure.colorbar(mappable, ax=panels, location="bottom", shrink=0.9, aspect=35, label="learning rate")
        else:
            handles = [_handle(row, rates, best=row.lr == best) for row in own.itertuples()]
            figure.legend(handles=handles, loc="outside lower center", ncols=2, title="learning rate, kind, verdict")
    return figure


def _curve(
    axes: Axes,
    curve: pd.DataFrame,
    name: str,
    row: Any,
    rates: tuple[float, float],
    top: float,
    *,
    thin: bool,
    best: bool,
) -> None:
    """One learning rate's line, its band over the seeds, and a cross where a diverged one died, or at the top."""
    known = curve[curve[name].notna()]
    if known.empty:
        return
    colour = rate_colour(row.lr, rates)
    width = BEST_WIDTH if best else _line_width(row.kind, thin=thin)
    axes.plot(known.epoch, known[name], color=colour, linestyle=KIND_LINES[row.kind], linewidth=width)
    if row.n > 1:
        axes.fill_between(
            known.epoch, known[f"{name}_low"], known[f"{name}_high"], color=colour, alpha=0.18, linewidth=0
        )
    if len(known) == 1 or row.verdict == "diverged":
        marker = "x" if row.verdict == "diverged" else "o"
        last = known[name].iloc[-1:].clip(upper=top)
        axes.plot(known.epoch.iloc[-1:], last, marker, color=colour, markersize=7, markeredgewidth=2, clip_on=False)


def _line_width(kind: str, *, thin: bool = False) -> float:
    if thin:
        return 0.8
    return 1.8 if kind == "good" else 1.3


def _handle(row: Any, rates: tuple[float, float], *, best: bool) -> Line2D:
    words = f"{row.lr:.3g}: {row.kind}" + (f", {row.verdict}" if row.verdict not in (row.kind, "not judged") else "")
    colour, width = rate_colour(row.lr, rates), BEST_WIDTH if best else _line_width(row.kind)
    return Line2D([], [], color=colour, linestyle=KIND_LINES[row.kind], linewidth=width, label=words)


def _kinds_legend(figure: Figure, own: pd.DataFrame) -> None:
    counts = own.kind.value_counts()
    handles = [
        Line2D([], [], color="#444444", linestyle=line, label=f"{kind} ({counts[kind]})")
        for kind, line in KIND_LINES.items()
        if kind in counts
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=2.4, columnspacing=1)


@cache
def _rate_colours() -> Any:
    """Dark for high learning rates; the lightest part, which white paper swallows, is left out."""
    return mpl.colors.ListedColormap(mpl.colormaps["viridis_r"](np.linspace(0.12, 1, 256)))


@cache
def _rate_norm(rates: tuple[float, float]) -> Normalize:
    low, high = rates
    return LogNorm(low, high) if low < high else LogNorm(low / 2, high * 2)


def rate_colour(lr: float, rates: tuple[float, float]) -> Any:
    """A learning rate's colour, by its place between the lowest and the highest on a logarithmic axis."""
    return _rate_colours()(_rate_norm(rates)(lr))


def loss_against_rate(cells: pd.DataFrame, runs: pd.DataFrame, untrained: float) -> Figure:
    """The best validation loss against the learning rate: a line an optimizer, a point a training, bands over seeds.

    Args:
        cells: of `cells_table`.
        runs: of `runs_table`.
        untrained: the loss of the untrained network, not a number if unknown.
    """
    styles = optimizer_styles(list(dict.fromkeys(cells.optimizer)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        finite = cells[np.isfinite(cells.best_val_loss) & (cells.verdict != "diverged")]
        top = max([*finite.best_val_loss, *([untrained] if np.isfinite(untrained) else [])], default=1.0)
        for name in sorted(set(cells.optimizer), key=list(styles).index):
            _basin(axes, name, finite, cells, runs, styles[name], top)
        if np.isfinite(untrained):
            axes.axhline(untrained, color="#777777", linewidth=1, linestyle=":")
            across = axes.get_yaxis_transform()  # a share of the width, a loss
            axes.annotate(
                "untrained",
                (0.01, untrained),
                xycoords=across,
                xytext=(0, 5),  # above the points that lie on the line
                textcoords="offset points",
                color="#555555",
                fontsize=9,
            )
        for best in finite[finite["rank"] == 1].itertuples():
            axes.plot(best.lr, best.best_val_loss, "o", markersize=14, markerfacecolor="none", markeredgecolor="black")
        lowest = finite.best_val_loss.min() if len(finite) else 1.0
        _loss_axis(axes, *((lowest / 1.3, top * 1.5, True) if 0 < lowest < top / 10 else (0.0, top * 1.25, False)))
        axes.set_ylabel("best validation loss (nats)")
        axes.set_xlabel("learning rate")
        _rate_axis(axes)
        figure.suptitle("Loss against learning rate", fontweight="bold")
        figure.legend(loc="outside lower center", ncols=4, handlelength=1.8, columnspacing=1.2)
    return figure


def _basin(
    axes: Axes,
    name: str,
    finite: pd.DataFrame,
    cells: pd.DataFrame,
    runs: pd.DataFrame,
    style: tuple[str, str],
    top: float,
) -> None:
    """One optimizer: its cells' means as a line, its trainings as points, crosses at the top for what diverged."""
    colour, marker = style
    own = finite[finite.optimizer == name].sort_values("lr")
    crowded = len(own) > MAX_NAMED
    line: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.6} if crowded else {}
    axes.plot(
        own.lr,
        own.best_val_loss,
        color=colour,
        marker=marker,
        markersize=4 if crowded else 6,
        label=_named(name),
        **line,
    )
    ranked = runs[(runs.left_out == "") & (runs.optimizer == name)]
    trials = ranked.assign(lr=pd.to_numeric(ranked.lr.str.strip("'\" "), errors="coerce"))
    trials = trials[np.isfinite(trials.best_val_loss)]
    if (own.n > 1).any():
        spread = trials.groupby("lr").best_val_loss.agg(["min", "max"]).loc[lambda frame: frame.index.isin(own.lr)]
        axes.fill_between(spread.index, spread["min"], spread["max"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(trials.lr, trials.best_val_loss.clip(upper=top), ".", color=colour, markersize=3, alpha=0.7)
    dead = cells[(cells.optimizer == name) & (cells.verdict == "diverged")]
    _crosses(axes, dead.lr, colour, CROSSES)


def _crosses(axes: Axes, rates: pd.Series, colour: str, height: float) -> None:
    """A cross at each learning rate, at a share of the axis's height."""
    across = axes.get_xaxis_transform()
    axes.plot(rates, [height] * len(rates), "x", color=colour, markersize=7, markeredgewidth=2, transform=across)


def _rate_axis(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _loss_axis(axes: Axes, low: float, high: float, log: bool) -> None:
    if log:
        axes.set_yscale("log")
        decades = LogLocator(10, (1.0,) if high / low > 100 else (1.0, 2.0, 5.0), numticks=12)
        axes.yaxis.set_major_locator(decades if high / low > 10 else MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(low, high)


def glance(places: pd.DataFrame) -> Figure:
    """The grid at a glance: optimizer × learning rate, each with loss, accuracy and its verdict in a word and a colour.

    Args:
        places: of `glance_table`.
    """
    columns = dict(sorted(zip(places.position, places.column, strict=True)))
    optimizers = list(dict.fromkeys(places.optimizer))
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(
            figsize=(max(WIDTH, 1.0 + 1.2 * len(columns)), 1.1 + 0.75 * len(optimizers)), layout="constrained"
        )
        axes = figure.subplots()
        for row in places.itertuples():
            _place(axes, list(columns).index(row.position), optimizers.index(row.optimizer), row)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(optimizers) - 0.5, -0.5)
        axes.set_xticks(range(len(columns)), [name.replace(" to ", "\nto ") for name in columns.values()])
        axes.set_yticks(range(len(optimizers)), map(_named, optimizers))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("learning rate")
        figure.suptitle("Validation loss, accuracy and verdict", fontweight="bold")
    return figure


def _place(axes: Axes, x: int, y: int, row: Any) -> None:
    back, letters = VERDICT_COLOURS.get(row.verdict, NO_VERDICT)
    edge: dict[str, Any] = (
        {"edgecolor": "black", "linewidth": 2.5} if row.best else {"edgecolor": "white", "linewidth": 1}
    )
    axes.add_patch(
        mpl.patches.Rectangle((x - 0.47, y - 0.46), 0.94, 0.92, facecolor=back, zorder=3 if row.best else 2, **edge)
    )
    word = f"{row.verdict}, best" if row.best else f"{row.verdict}, tied" if row.tied else row.verdict
    scores = ["–", ""]
    if row.verdict != "diverged":
        scores = [
            format_with_deviation(row.best_val_loss, row.best_val_loss_sd, lambda loss: f"{loss:.3g}"),
            format_with_deviation(row.best_val_accuracy, row.best_val_accuracy_sd, format_percent),
        ]
    if row.exceptions:
        scores.append(row.exceptions)
    axes.text(x, y, "\n".join([word, *scores]), ha="center", va="center", color=letters, fontsize=9, zorder=4)


def shapes(table: pd.DataFrame) -> Figure:
    """Validation loss and generalisation gap of the shapes of network against the learning rate, by optimizer.

    What diverged or collapsed is a cross at the top.

    Args:
        table: of `shapes_table`.
    """
    optimizers, hidden = list(dict.fromkeys(table.optimizer)), list(dict.fromkeys(table.hidden))
    looks = dict(zip(hidden, [*OPTIMIZER_STYLES.values(), *OTHER_STYLES] * (1 + len(hidden) // 8), strict=False))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.2 + 3.6 * len(optimizers)), layout="constrained")
        panels = figure.subplots(2 * len(optimizers), 1, squeeze=False)[:, 0]
        for index, name in enumerate(optimizers):
            own = table[table.optimizer == name]
            loss, gap = panels[2 * index : 2 * index + 2]
            for place, shape in enumerate(hidden):
                # The crosses of several shapes at one learning rate stand above each other.
                _shape(loss, gap, own[own.hidden == shape], looks[shape], CROSSES - 0.08 * place)
            for axes, label in ((loss, "best validation loss"), (gap, "validation − training loss")):
                axes.set_xscale("log")
                axes.set_xlim(table.lr.min() / 1.5, table.lr.max() * 1.5)
                _rate_axis(axes)
                axes.set_ylabel("nats")
                axes.set_title(f"{_named(name)}: {label}", fontsize=10, loc="left")
            known = own.best_val_loss[np.isfinite(own.best_val_loss) & (own.verdict != "collapsed")]
            if len(known) and known.min() > 0:
                room = (known.max() / known.min()) ** 0.2  # for crosses
                _loss_axis(loss, known.min() / 1.3, known.max() * 1.6 * room, log=True)
            gap.axhline(0, color="#777777", linewidth=0.8)
        panels[-1].set_xlabel("learning rate")
        figure.suptitle("Shapes of network: loss and gap at the end", fontweight="bold")
        handles = [Line2D([], [], color=looks[one][0], marker=looks[one][1], label=_named(one)) for one in hidden]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, title="neurons of the dense layers")
    return figure


def _shape(loss: Axes, gap: Axes, own: pd.DataFrame, look: tuple[str, str], crosses: float) -> None:
    """One shape's losses and gaps with one optimizer; what learned nothing is a cross above the losses."""
    colour, marker = look
    faulty = own.verdict.isin(["diverged", "collapsed"])
    one = own[~faulty].sort_values("lr")
    style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "capsize": 2}
    loss.errorbar(one.lr, one.best_val_loss, one.best_val_loss_sd, **style)
    gap.errorbar(one.lr, one.generalisation_gap, one.generalisation_gap_sd, **style)
    _crosses(loss, own.lr[faulty], colour, crosses)
