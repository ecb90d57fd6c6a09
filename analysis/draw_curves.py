"""Draw losses over the epochs, a line per learning rate: `python analysis/draw_curves.py --optimizer adam`."""

import sys

sys.path.insert(0, f"{sys.path[0]}/../src")

from lrstudy.entry_point import run_main
from lrstudy.report.command_line import figure_of_curves as main

if __name__ == "__main__":
    run_main(main)
