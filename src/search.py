"""Searches the learning rate log-uniformly and logs the study to MLflow: `python src/search.py --optimizer sgd`."""

from lrstudy.entry_point import run_main
from lrstudy.study.study_command import run_search

if __name__ == "__main__":
    run_main(run_search)
