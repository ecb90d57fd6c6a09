"""Draws the grid at a glance, with loss, accuracy and verdict of each cell: `python analysis/draw_grid.py`."""

from command_line import draw_one, end_well
from drawings import draw_glance


def main(arguments: list[str]) -> None:
    """Draws the figure of the largest group of trainings that can be compared."""
    draw_one(
        __doc__, "grid", arguments, lambda made, _: (draw_glance(one) for one in made.chapters[:1] if one.group.cells)
    )


if __name__ == "__main__":
    end_well(main)
