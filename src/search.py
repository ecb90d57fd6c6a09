"""Search the learning rate log-uniformly and log the study to MLflow: `python src/search.py --optimizer sgd`."""

from lrstudy.entry_point import run_main
from lrstudy.study.commands import run_search

if __name__ == "__main__":
    run_main(run_search)
