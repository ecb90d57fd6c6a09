"""Train one configuration and log it to MLflow: `python src/train.py --optimizer adam --lr 0.001`."""

from lrstudy.cli.entry_point import run_main
from lrstudy.study.commands import run_train

if __name__ == "__main__":
    run_main(run_train)
