"""Trains one configuration and logs it to MLflow: `python src/train.py --optimizer adam --lr 0.001`."""

from lrstudy.command_line import parse
from lrstudy.ending import end_well
from lrstudy.settings import TrainSettings


def main(arguments: list[str]) -> None:
    """Trains what the command line describes."""
    settings = parse(TrainSettings, arguments)

    # After the settings, since these imports take seconds and a mistake in a setting should show at once.
    from lrstudy import artifacts, experiment, pictures, progress, runtime, summary, tracking
    from lrstudy.logged_model import save_network
    from lrstudy.look import look
    from lrstudy.plan import Plan, load_data
    from lrstudy.watch import begin, follow, sum_up

    machine = runtime.prepare(settings.device, settings.threads, settings.model)
    plan = Plan(settings, load_data(settings), machine)
    training = experiment.build(plan)
    print(summary.beginning(training))
    with tracking.open_run(plan.description) as run:
        so_far = begin(training)
        for _ in run.log_epochs(progress.shown(follow(training, so_far, training.epochs()), settings.epochs)):
            pass
        result = sum_up(training, so_far)
        files = artifacts.tables(training, result)
        title = f"{plan.description.title}: {result.verdict.word}"
        files |= pictures.of_tables(title, files, result.best.epoch) | look(training)
        tracking.log_result(run, result, files, plan.data.bad_images)
        with tracking.logged_model(run) as (path, identity):
            save_network(training, path, identity)
        print(summary.end(training, result, run))


if __name__ == "__main__":
    end_well(main)
