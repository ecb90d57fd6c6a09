"""Report a study: `python analysis/report.py [--study RUN] [--out FOLDER]`.

Reads the tracking server that `MLFLOW_TRACKING_URI` names, or MLflow's default, and writes `index.html`, the figures as
SVG and PNG files, the tables as CSV files, and `summary.json`.
"""

import sys

sys.path.insert(0, f"{sys.path[0]}/../src")

from lrstudy.cli.entry_point import run_main
from lrstudy.compat.interpreter import gc_paused


def main(arguments: list[str]) -> None:
    """Write the report, and print its recommendations."""
    with gc_paused():
        from lrstudy.report.command_line import report  # takes seconds, in which Ctrl-C is reported too

    report(arguments)


if __name__ == "__main__":
    run_main(main)
