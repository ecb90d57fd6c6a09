"""Trains one configuration and logs it to MLflow: `python src/train.py --optimizer adam --lr 0.001`."""

from lrstudy.compat.interpreter import gc_paused
from lrstudy.entry_point import run_main
from lrstudy.study.fork_server import preload


def main(arguments: list[str]) -> None:
    """Train what the command line describes; resume where an earlier start was interrupted."""
    # The fork server imports PyTorch while this process imports MLflow.
    preload("lrstudy.study.preloaded_torch")
    with gc_paused():
        from lrstudy.command_line import parse
        from lrstudy.data import check_name
        from lrstudy.settings import TrainSettings

        settings = parse(TrainSettings, arguments)
        check_name(settings.data)

        # After the settings, since these imports take seconds and a mistake in a setting should show at once.
        from lrstudy.study.training_workers import TrainingWorkers
    with TrainingWorkers(settings) as workers:
        with gc_paused():
            from lrstudy.study.run_training import run_training
        run_training(settings, workers)


if __name__ == "__main__":
    run_main(main)
