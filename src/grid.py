"""Trains every optimizer with every learning rate and logs the study to MLflow: `python src/grid.py`."""

from lrstudy.command_line import end_well, parse
from lrstudy.study_settings import GridSettings


def main(arguments: list[str]) -> None:
    """Trains the grid that the command line describes."""
    settings = parse(GridSettings, arguments)

    # The process that workers are forked from imports PyTorch while this one imports its own.
    from lrstudy import workers

    workers.import_ahead()
    from lrstudy.grid import run_grid

    run_grid(settings)


if __name__ == "__main__":
    end_well(main)
