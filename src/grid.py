"""Train every optimizer with every learning rate and log the study to MLflow: `python src/grid.py`."""

from lrstudy.cli.entry_point import run_main
from lrstudy.report.study_report import log_report
from lrstudy.study.commands import run_grid


def main(arguments: list[str]) -> None:
    """Train the grid, and put the report on the study's run."""
    run_grid(arguments, log_report)


if __name__ == "__main__":
    run_main(main)
