"""Trains one configuration and logs it to MLflow: `python src/train.py --optimizer adam --lr 0.001`."""

from itertools import chain

from lrstudy.command_line import parse
from lrstudy.entry_point import run_main
from lrstudy.settings import TrainSettings


def main(arguments: list[str]) -> None:
    """Trains what the command line describes; goes on where an earlier start of the same was cut off."""
    settings = parse(TrainSettings, arguments)

    # After the settings, since these imports take seconds and a mistake in a setting should show at once.
    from lrstudy.tracking import training_run

    training_run.claim_opened_run()

    from lrstudy import progress, summary
    from lrstudy.plots import png
    from lrstudy.plots.network_figures import network_figures
    from lrstudy.tracking.logged_model import logged_model
    from lrstudy.tracking.model_export import save_network
    from lrstudy.training import artifacts, checkpoint, runtime, setup
    from lrstudy.training.plan import TrainingPlan, data_changes, load_data
    from lrstudy.training.progress import finalize, track_best

    machine = runtime.prepare(settings.device, settings.threads, settings.model)
    plan = TrainingPlan(settings, load_data(settings), machine)
    training = setup.build(plan)
    print(summary.beginning(training))
    with training_run.open_run(plan.specification) as run:
        training, so_far = checkpoint.resume(training, run.run_id)
        if run.existing.resumable:
            print(summary.going_on(run, so_far))
        done = list(so_far.history)
        epochs = track_best(training, so_far, training.epochs(len(done) - 1))
        shown = progress.shown(checkpoint.save_checkpoints(training, run.run_id, so_far, epochs), settings.epochs)
        for _ in run.log_epochs(chain(done, shown)):
            pass
        result = finalize(training, so_far)
        files = artifacts.artifact_files(training, result)
        title = f"{plan.specification.title}: {result.verdict.word}"
        files |= png.training_figures(title, files, result.best.epoch) | network_figures(training)
        changes = data_changes(settings, plan.data.digest)
        training_run.log_result(run, result, files, plan.data.bad_images, changes)
        with logged_model(run) as (path, identity):
            save_network(training, path, identity)
        print(summary.end(training, result, run), *changes, sep="\n")


if __name__ == "__main__":
    run_main(main)
