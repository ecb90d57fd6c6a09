"""Train every optimizer with every learning rate and log the study to MLflow: `python src/grid.py`."""

from lrstudy.entry_point import run_main
from lrstudy.study.commands import run_grid

if __name__ == "__main__":
    run_main(run_grid)
