"""Draws the grid at a glance, with loss, accuracy and verdict of each cell: `python analysis/draw_grid.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lrstudy.entry_point import run_main
from lrstudy.report.command_line import draw_one
from lrstudy.report.drawings import draw_glance


def main(arguments: list[str]) -> None:
    """Draws the figure of the largest group of trainings that can be compared."""
    draw_one(
        __doc__,
        "grid",
        arguments,
        lambda made, _: (draw_glance(one) for one in made.group_reports[:1] if one.group.cells),
    )


if __name__ == "__main__":
    run_main(main)
