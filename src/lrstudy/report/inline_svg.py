"""Figures as parts of the page: SVG without a frame of its own, in the page's colours, with its axes for the script."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING

from lrstudy.report.figures.style import GRID, INK, PAPER, QUIET

if TYPE_CHECKING:
    from lrstudy.report.drawing import Drawing

POINTS_PER_INCH = 72
# The page's variables in place of the colours of text, grid and paper.
VARIABLES = {INK: "var(--ink)", QUIET: "var(--quiet)", GRID: "var(--line)", PAPER: "var(--paper)"}
_COLOUR = re.compile("|".join(VARIABLES))
_SIZE = re.compile(r'<svg\b[^>]*?\bviewBox="([^"]*)"[^>]*>', re.S)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.S)
_ID = re.compile(r'(\bid="|href="#|url\(#)(?!curve:)')
_CURVE = re.compile(r'\bid="curve:')


def inline_svg(drawing: Drawing, svg: bytes) -> str:
    """Return a drawing as an element of an HTML page.

    Identifiers get the drawing's name as a prefix, since several drawings share a page. The lines with an id of
    `figures.style.curve_id` get it as `data-curve`.

    Args:
        drawing: with its layout fixed.
        svg: the drawing's file, as matplotlib writes it.
    """
    text = _METADATA.sub("", svg.decode())
    opening = _SIZE.search(text)
    assert opening is not None  # noqa: S101 - matplotlib writes it
    body = _COLOUR.sub(lambda match: VARIABLES[match[0]], text[opening.end() :])
    body = _CURVE.sub('data-curve="', _ID.sub(rf"\g<1>{drawing.name}-", body))
    label, axes = escape(drawing.description, quote=True), escape(json.dumps(axes_of(drawing)), quote=True)
    return (
        f'<svg role="img" aria-label="{label}" id="{drawing.name}" data-axes="{axes}" viewBox="{opening[1]}" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )


def axes_of(drawing: Drawing) -> list[dict[str, object]]:
    """Return, for each panel of a drawing, its corners in the units of the SVG and the ends and names of its axes."""
    figure = drawing.figure
    width, height = figure.get_size_inches() * POINTS_PER_INCH
    found: list[dict[str, object]] = []
    for axes in figure.axes:
        if axes.get_label() == "<colorbar>":
            continue
        box = axes.get_position()
        found.append(
            {
                "box": [box.x0 * width, (1 - box.y1) * height, box.x1 * width, (1 - box.y0) * height],
                "x": [*axes.get_xlim(), axes.get_xscale()],
                "y": [*axes.get_ylim(), axes.get_yscale()],
                "name": axes.get_shared_x_axes().get_siblings(axes)[-1].get_xlabel() or axes.get_xlabel(),
            }
        )
    return found
