"""Heat map: optimizer × learning rate, with loss, accuracy and verdict of each cell."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrstudy.formatting import NOTHING, format_percent, format_with_deviation
from lrstudy.report.figures.style import INK, NO_VERDICT, PAPER, STYLE, VERDICT_COLOURS, WIDTH, add_title, label


def heat_map(fields: pd.DataFrame, subject: str) -> Figure:
    """Return the heat map, each field with its verdict as a word and a colour.

    Args:
        fields: the frame of `heat_map_table`.
        subject: of the title.
    """
    columns = dict(sorted(zip(fields.position, fields.column, strict=True)))
    optimizers = list(dict.fromkeys(fields.optimizer))
    size = (max(WIDTH, 1.0 + 1.2 * len(columns)), 1.1 + 0.85 * len(optimizers))
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        for row in fields.itertuples():
            _draw_field(axes, list(columns).index(row.position), optimizers.index(row.optimizer), row)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(optimizers) - 0.5, -0.5)
        axes.set_xticks(range(len(columns)), [name.replace(" to ", "\nto ") for name in columns.values()])
        axes.set_yticks(range(len(optimizers)), map(label, optimizers))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("learning rate")
        add_title(figure, "Validation loss, accuracy and verdict", subject)
    return figure


def _draw_field(axes: Axes, x: int, y: int, row: Any) -> None:
    background, text_colour = VERDICT_COLOURS.get(row.verdict, NO_VERDICT)
    edge: dict[str, Any] = (
        {"edgecolor": INK, "linewidth": 2.5, "zorder": 3}
        if row.best
        else {"edgecolor": PAPER, "linewidth": 1, "zorder": 2}
    )
    axes.add_patch(mpl.patches.Rectangle((x - 0.47, y - 0.46), 0.94, 0.92, facecolor=background, **edge))
    text = "\n".join(_lines(row))
    axes.text(x, y, text, ha="center", va="center", color=text_colour, fontsize=9, zorder=4)


def _lines(row: Any) -> list[str]:
    lines = [f"{row.verdict}{row.place}"]
    if row.verdict == "diverged":
        lines += [NOTHING, ""]
    else:
        lines += [
            format_with_deviation(row.best_val_loss, row.best_val_loss_sd, lambda loss: f"{loss:.3g}"),
            format_with_deviation(row.best_val_accuracy, row.best_val_accuracy_sd, format_percent),
        ]
    return [*lines, *filter(None, (row.at_most_worse, row.exceptions))]
