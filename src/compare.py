"""Find the best optimizer and learning rate of a table of trainings: `python src/compare.py runs.csv`."""

# isort: off
from lrstudy.cli.entry_point import run_main  # first, since it decides where all others come from

# isort: on
from lrstudy.compare.command import run_compare

if __name__ == "__main__":
    run_main(run_compare)
