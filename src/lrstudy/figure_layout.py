"""The layout of a figure, computed once: together with a title that does not move, half of a figure's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Titles stand directly above their axes. Matplotlib would look for ticks there, each time that it draws.
FIXED_TITLES: dict[Any, Any] = {"axes.titley": 1.0}


def fix_layout(figure: Figure, dpi: int) -> None:
    """Lay out a figure for `savefig` at `dpi`, which would draw the whole figure once more to do so."""
    engine = figure.get_layout_engine()
    if engine is None:  # it is laid out
        return
    figure.set_dpi(dpi)
    engine.execute(figure)
    figure.set_layout_engine(None)  # "none" would leave a placeholder, for which `savefig` draws once more too
