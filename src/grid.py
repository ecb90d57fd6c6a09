"""Trains every optimizer with every learning rate and logs the study to MLflow: `python src/grid.py`."""

from lrstudy.ending import end_well
from lrstudy.quick_start import quick_start
from lrstudy.study.forking import import_ahead


def main(arguments: list[str]) -> None:
    """Trains the grid that the command line describes."""
    # The process that workers are forked from imports PyTorch while this one imports its own.
    import_ahead()
    with quick_start():
        from lrstudy.command_line import parse
        from lrstudy.data import check_name
        from lrstudy.study_settings import GridSettings

        settings = parse(GridSettings, arguments)

        check_name(settings.data)

        # After the settings, since these imports take seconds and a mistake in a setting should show at once.
        from lrstudy.study.office import Office
    with Office(settings.cells()) as office:
        with quick_start():
            from lrstudy.study.conduct import conduct
            from lrstudy.study.grid import Grid
            from lrstudy.tracking import server

            server.connect()
        conduct("grid", settings, f"grid {settings.size}", office, lambda file, _: Grid(settings, file))


if __name__ == "__main__":
    end_well(main)
