"""Builds the comparison of a study's trainings: `python analysis/report.py [--study RUN] [--out FOLDER]`.

Reads the tracking server that `MLFLOW_TRACKING_URI` names, or MLflow's default, and writes `index.html`, the figures as
SVG and PNG files, the tables as CSV files, and `summary.json`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lrstudy.entry_point import run_main
from lrstudy.report.command_line import build_report


def main(arguments: list[str]) -> None:
    """Write the report that the command line asks for, and print its answers."""
    build_report(__doc__, arguments)


if __name__ == "__main__":
    run_main(main)
