"""Draws the best validation loss against the learning rate, a line an optimizer: `python analysis/draw_basin.py`."""

from command_line import draw_one, end_well
from drawings import draw_basin


def main(arguments: list[str]) -> None:
    """Draws the figure of the largest group of trainings that can be compared."""
    draw_one(
        __doc__, "basin", arguments, lambda made, _: (draw_basin(one) for one in made.chapters[:1] if one.group.cells)
    )


if __name__ == "__main__":
    end_well(main)
