"""Trains again what a run on the server did, and compares: `python src/reproduce.py --run-id 3f0c…`."""

import sys
from itertools import islice

from lrstudy.command_line import parse
from lrstudy.entry_point import run_main
from lrstudy.errors import SettingsError
from lrstudy.settings import ReproduceSettings

DIFFERENT = 1


def main(arguments: list[str]) -> None:
    """Ends with exit code 1 where the data, a loss or the weights are not the run's."""
    settings = parse(ReproduceSettings, arguments)

    # After the settings, since these imports take seconds and a mistake in a setting should show at once.
    from lrstudy import progress
    from lrstudy.tracking import server, training_run
    from lrstudy.tracking.recorded_training import download_weights, read_recorded_training
    from lrstudy.tracking.reproduction import ReproductionComparison, compare_weights, describe_differences
    from lrstudy.training import runtime, setup
    from lrstudy.training.plan import TrainingPlan, load_data
    from lrstudy.training.progress import finalize, initial_progress, track_best

    with server.connected_client() as client:
        record = read_recorded_training(client, settings.run_id)
    training_run.log_reproduction(record.run_id, record.name)
    trained = record.settings
    try:
        there = runtime.prepare(trained.device, int(trained.threads), trained.model)
    except SettingsError as error:
        raise SettingsError(f"run_id={record.run_id}: it was trained {record.where}, and here {error}") from None
    plan = TrainingPlan(trained, load_data(trained), there)
    print(*describe_differences(record, plan.specification), sep="\n", flush=True)
    comparison = ReproductionComparison(data_differ=plan.data.digest != record.data_digest)
    if not comparison.data_differ:
        training = setup.build(plan)
        so_far = initial_progress(training)
        epochs = islice(track_best(training, so_far, training.epochs()), len(record.epochs))
        for epoch in progress.shown(epochs, len(record.epochs) - 1):
            comparison.add(epoch, record.epochs[epoch.epoch])
        if record.whole:
            comparison.compare_scores(finalize(training, so_far).metrics, record.scores)
            comparison.weights = compare_weights(download_weights(client, record.run_id), so_far.best_weights)
    print(comparison)
    training_run.log_reproduction(record.run_id, record.name, str(comparison))
    if not comparison.identical:
        sys.exit(DIFFERENT)


if __name__ == "__main__":
    run_main(main)
