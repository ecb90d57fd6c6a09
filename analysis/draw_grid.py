"""Draw the heat map of a grid, with loss, accuracy and verdict of each cell: `python analysis/draw_grid.py`."""

import sys

sys.path.insert(0, f"{sys.path[0]}/../src")

from lrstudy.entry_point import run_main
from lrstudy.report.command_line import figure_of_heat_map as main

if __name__ == "__main__":
    run_main(main)
