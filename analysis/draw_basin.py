"""Draws the best validation loss against the learning rate, a line an optimizer: `python analysis/draw_basin.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lrstudy.entry_point import run_main
from lrstudy.report.command_line import draw_one
from lrstudy.report.drawings import draw_basin


def main(arguments: list[str]) -> None:
    """Draws the figure of the largest group of trainings that can be compared."""
    draw_one(
        __doc__,
        "basin",
        arguments,
        lambda made, _: (draw_basin(one) for one in made.group_reports[:1] if one.group.cells),
    )


if __name__ == "__main__":
    run_main(main)
