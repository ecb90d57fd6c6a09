"""Searches the learning rate log-uniformly and logs the study to MLflow: `python src/search.py --optimizer sgd`."""

from lrstudy.compat.interpreter import gc_paused
from lrstudy.entry_point import run_main
from lrstudy.study.fork_server import preload


def main(arguments: list[str]) -> None:
    """Searches as the command line describes."""
    # The process that workers are forked from imports PyTorch while this one imports its own.
    preload()
    with gc_paused():
        from lrstudy.command_line import parse
        from lrstudy.data import check_name
        from lrstudy.settings import SearchSettings

        settings = parse(SearchSettings, arguments)

        check_name(settings.data)

        # After the settings, since these imports take seconds and a mistake in a setting should show at once.
        from lrstudy.study.helper_worker import HelperWorker
    with HelperWorker(settings.examples()) as helper:
        with gc_paused():
            from lrstudy.study.run_study import run_study
            from lrstudy.study.search import Search
            from lrstudy.tracking import server

            server.connect()
        name = f"search {settings.optimizer} {settings.trials}"
        run_study("search", settings, name, helper, lambda file, at_a_time: Search(settings, file, at_a_time))


if __name__ == "__main__":
    run_main(main)
