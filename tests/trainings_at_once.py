"""Start several trainings together, each in its own process: `python trainings_at_once.py COUNT EPOCHS`.

The processes are forked from one that has imported PyTorch and MLflow, which each would take seconds for. Each does
what `train.py` does, by the same code, but for the pictures and the model. They wait for each other before they open
their runs.
"""

import multiprocessing
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lrstudy.settings import TrainSettings
from lrstudy.tracking import training_run
from lrstudy.training import artifacts, runtime, setup
from lrstudy.training.plan import TrainingPlan, load_data
from lrstudy.training.progress import finalize, initial_progress, track_best


def train(seed: int, epochs: int, together: Barrier) -> None:
    settings = TrainSettings(optimizer="sgd", lr=0.1, hidden=(8,), epochs=epochs, seed=seed)
    machine = runtime.prepare(settings)
    plan = TrainingPlan(settings, load_data(settings), machine)
    training = setup.build(plan)
    together.wait(60)
    with training_run.open_run(plan.specification) as run:
        so_far = initial_progress(training)
        for _ in run.log_epochs(track_best(training, so_far, training.epochs())):
            pass
        result = finalize(training, so_far)
        training_run.log_result(run, result, artifacts.artifact_files(training, result), {})


def main() -> None:
    count, epochs = map(int, sys.argv[1:])
    context = multiprocessing.get_context("fork")
    together = context.Barrier(count)
    processes = [context.Process(target=train, args=(seed, epochs, together)) for seed in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(sum(process.exitcode != 0 for process in processes))


if __name__ == "__main__":
    main()
