"""Search the learning rate log-uniformly and log the study to MLflow: `python src/search.py --optimizer sgd`."""

from lrstudy.cli.entry_point import run_main
from lrstudy.report.study_report import log_report
from lrstudy.study.commands import run_search


def main(arguments: list[str]) -> None:
    """Run the search, and put the report on the study's run."""
    run_search(arguments, log_report)


if __name__ == "__main__":
    run_main(main)
