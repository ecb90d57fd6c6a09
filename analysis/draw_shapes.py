"""Draws shapes of network beside each other, loss and generalisation gap: `python analysis/draw_shapes.py`."""

from command_line import draw_one, end_well
from drawings import draw_shapes


def main(arguments: list[str]) -> None:
    """Draws the figure of the trainings that differ in their `hidden` neurons alone."""
    draw_one(__doc__, "shapes", arguments, lambda made, _: map(draw_shapes, made.shapes))


if __name__ == "__main__":
    end_well(main)
