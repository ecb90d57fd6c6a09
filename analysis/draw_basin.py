"""Draw the best validation loss against the learning rate, a line per optimizer: `python analysis/draw_basin.py`."""

import sys

sys.path.insert(0, f"{sys.path[0]}/../src")

from lrstudy.entry_point import run_main
from lrstudy.report.command_line import figure_of_sweep as main

if __name__ == "__main__":
    run_main(main)
