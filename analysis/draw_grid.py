"""Draw the heat map of a grid, with loss, accuracy and verdict of each cell: `python analysis/draw_grid.py`."""

import sys

sys.path.insert(0, f"{sys.path[0]}/../src")

from lrstudy.cli.entry_point import run_main
from lrstudy.compat.interpreter import gc_paused


def main(arguments: list[str]) -> None:
    """Draw the heat map."""
    with gc_paused():
        from lrstudy.report.command_line import figure_of_heat_map  # takes seconds, in which Ctrl-C is reported too

    figure_of_heat_map(arguments)


if __name__ == "__main__":
    run_main(main)
