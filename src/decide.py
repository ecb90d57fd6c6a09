"""Decide which optimizer and learning rate to use, within a budget: `python src/decide.py --minutes 20`."""

from lrstudy.entry_point import run_main
from lrstudy.study.commands import run_decide

if __name__ == "__main__":
    run_main(run_decide)
