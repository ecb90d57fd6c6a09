"""Draw losses over the epochs, a line per learning rate: `python analysis/draw_curves.py --optimizer adam`."""

import sys

sys.path.insert(0, f"{sys.path[0]}/../src")

from lrstudy.cli.entry_point import run_main
from lrstudy.compat.interpreter import gc_paused


def main(arguments: list[str]) -> None:
    """Draw the loss curves."""
    with gc_paused():
        from lrstudy.report.command_line import figure_of_curves  # takes seconds, in which Ctrl-C is reported too

    figure_of_curves(arguments)


if __name__ == "__main__":
    run_main(main)
