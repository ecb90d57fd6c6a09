"""Trains one configuration and logs it to MLflow: `python src/train.py --optimizer adam --lr 0.001`."""

from lrstudy.command_line import end_well, parse
from lrstudy.settings import TrainSettings


def main(arguments: list[str]) -> None:
    """Trains what the command line describes."""
    settings = parse(TrainSettings, arguments)

    # After the settings, since these imports take seconds and a mistake in a setting should show at once.
    from lrstudy import artifacts, experiment, progress, runtime, summary, tracking
    from lrstudy.logged_model import log_network
    from lrstudy.plan import Plan, load_data
    from lrstudy.result import watch

    machine = runtime.prepare(settings.device, settings.threads, settings.model)
    plan = Plan(settings, load_data(settings), machine)
    training = experiment.build(plan)
    print(summary.beginning(training))
    with tracking.open_run(plan) as run:
        result = watch(training, run.log_epochs(progress.shown(training.epochs(), settings.epochs)))
        files = artifacts.tables(training, result) | artifacts.pictures(training, result)
        tracking.log_result(run, plan.data, result, files)
        log_network(training)
    print(summary.end(training, result, run))


if __name__ == "__main__":
    end_well(main)
