"""Draw the best validation loss against the learning rate, a line per optimizer: `python analysis/draw_basin.py`."""

import sys

sys.path.insert(0, f"{sys.path[0]}/../src")

from lrstudy.cli.entry_point import run_main
from lrstudy.compat.interpreter import gc_paused


def main(arguments: list[str]) -> None:
    """Draw the learning-rate sweep."""
    with gc_paused():
        from lrstudy.report.command_line import figure_of_sweep  # takes seconds, in which Ctrl-C is reported too

    figure_of_sweep(arguments)


if __name__ == "__main__":
    run_main(main)
