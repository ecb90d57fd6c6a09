"""Decide which optimizer and learning rate to use, within a budget: `python src/decide.py --minutes 20`."""

from lrstudy.cli.entry_point import run_main
from lrstudy.report.study_report import log_report
from lrstudy.study.commands import run_decide


def main(arguments: list[str]) -> None:
    """Decide, and put the report on the study's run."""
    run_decide(arguments, log_report)


if __name__ == "__main__":
    run_main(main)
