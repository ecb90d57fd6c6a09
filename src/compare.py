"""Find the best optimizer and learning rate of a table of trainings: `python src/compare.py runs.csv`."""

from lrstudy.compare.command import run_compare
from lrstudy.entry_point import run_main

if __name__ == "__main__":
    run_main(run_compare)
