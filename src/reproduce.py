"""Train a run of the server again, and compare: `python src/reproduce.py --run-id 3f0c…`."""

from lrstudy.cli.entry_point import run_main
from lrstudy.study.commands import run_reproduce

if __name__ == "__main__":
    run_main(run_reproduce)
