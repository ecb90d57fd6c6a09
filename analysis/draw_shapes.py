"""Draws shapes of network beside each other, loss and generalisation gap: `python analysis/draw_shapes.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lrstudy.entry_point import run_main
from lrstudy.report.command_line import draw_one
from lrstudy.report.drawings import draw_shapes


def main(arguments: list[str]) -> None:
    """Draws the figure of the trainings that differ in their `hidden` neurons alone."""
    draw_one(__doc__, "shapes", arguments, lambda made, _: map(draw_shapes, made.shapes))


if __name__ == "__main__":
    run_main(main)
