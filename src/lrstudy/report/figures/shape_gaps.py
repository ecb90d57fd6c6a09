"""The gap between validation and training loss against the neurons in later layers of several network shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lrstudy.report.figures.style import INK, MAIN_STYLES, QUIET, STYLE, WIDTH, add_title, label, use_plain_numbers


class GapPoint(NamedTuple):
    """A shape: its neurons in later layers, the gap in nats with its deviation (NaN if unknown), and its name."""

    neurons: int
    gap: float
    deviation: float
    name: str


def shape_gaps(points: Sequence[GapPoint], axis: str, subject: str) -> Figure:
    """Return the figure, a point per shape.

    Args:
        points: by rising numbers of neurons.
        axis: the name of the horizontal axis.
        subject: of the title.
    """
    colour, marker = MAIN_STYLES[0]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
        axes = figure.subplots()
        neurons, gaps = [point.neurons for point in points], [point.gap for point in points]
        axes.plot(neurons, gaps, color=colour, marker=marker)
        axes.errorbar(neurons, gaps, [point.deviation for point in points], color=colour, linestyle="none", capsize=2)
        for point in points:
            place: dict[str, Any] = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "fontsize": 9}
            axes.annotate(label(point.name), (point.neurons, point.gap), color=INK, **place)
        axes.axhline(0, color=QUIET, linewidth=0.8)
        axes.margins(0.18, 0.25)
        if min(neurons) > 0 and max(neurons) > 4 * min(neurons):
            axes.set_xscale("log")
            axes.set_xticks(sorted(set(neurons)))
            use_plain_numbers(axes.xaxis)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel(axis)
        axes.set_ylabel("validation − training loss (nats)")
        add_title(figure, "Gap at the end of training", subject)
    return figure
