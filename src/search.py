"""Searches the learning rate log-uniformly and logs the study to MLflow: `python src/search.py --optimizer sgd`."""

from lrstudy.ending import end_well
from lrstudy.quick_start import quick_start
from lrstudy.study.forking import import_ahead


def main(arguments: list[str]) -> None:
    """Searches as the command line describes."""
    # The process that workers are forked from imports PyTorch while this one imports its own.
    import_ahead()
    with quick_start():
        from lrstudy.command_line import parse
        from lrstudy.data import check_name
        from lrstudy.study_settings import SearchSettings

        settings = parse(SearchSettings, arguments)

        check_name(settings.data)

        # After the settings, since these imports take seconds and a mistake in a setting should show at once.
        from lrstudy.study.office import Office
    with Office(settings.examples()) as office:
        with quick_start():
            from lrstudy.study.conduct import conduct
            from lrstudy.study.search import Search
            from lrstudy.tracking import server

            server.connect()
        name = f"search {settings.optimizer} {settings.trials}"
        conduct("search", settings, name, office, lambda file, at_a_time: Search(settings, file, at_a_time))


if __name__ == "__main__":
    end_well(main)
