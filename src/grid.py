"""Trains every optimizer with every learning rate and logs the study to MLflow: `python src/grid.py`."""

from lrstudy.compat.interpreter import gc_paused
from lrstudy.entry_point import run_main
from lrstudy.study.fork_server import preload


def main(arguments: list[str]) -> None:
    """Trains the grid that the command line describes."""
    # The process that workers are forked from imports PyTorch while this one imports its own.
    preload()
    with gc_paused():
        from lrstudy.command_line import parse
        from lrstudy.data import check_name
        from lrstudy.settings import GridSettings

        settings = parse(GridSettings, arguments)

        check_name(settings.data)

        # After the settings, since these imports take seconds and a mistake in a setting should show at once.
        from lrstudy.study.helper_worker import HelperWorker
    with HelperWorker(settings.cells()) as helper:
        with gc_paused():
            from lrstudy.study.grid import Grid
            from lrstudy.study.run_study import run_study
            from lrstudy.tracking import server

            server.connect()
        run_study("grid", settings, f"grid {settings.size}", helper, lambda file, _: Grid(settings, file))


if __name__ == "__main__":
    run_main(main)
