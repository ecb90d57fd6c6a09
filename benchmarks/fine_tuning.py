"""Fine-tuning against training from scratch: `python benchmarks/fine_tuning.py FOLDER`, a folder of class folders.

A network is trained on half of the classes, by the order of their names. On the other half it is then fine-tuned, with
all its weights and with its last layer alone, and trained from scratch, at several learning rates. For each way the
learning rate of the lowest mean validation loss is printed, with the accuracy on the held-out test split, mean and
standard deviation over the seeds.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import setup
from lrstudy.training.artifacts import weights_file
from lrstudy.training.progress import finalize, initial_progress, track_best
from lrstudy.training.result import Result
from lrstudy.training.setup import TrainingSetup


def train(settings: TrainSettings) -> tuple[TrainingSetup, Result]:
    """Train to the end; the network then has the weights of the best epoch."""
    training = setup.build(planned(settings))
    progress = initial_progress(training)
    for _ in track_best(training, progress, training.epochs()):
        pass
    return training, finalize(training, progress)


def half_of_classes(folder: Path, half: int, target: Path) -> str:
    """Make a folder of links to every second class folder of `folder`, from number `half` on; return its path."""
    target.mkdir()
    for name in sorted(path.name for path in folder.iterdir() if path.is_dir())[half::2]:
        (target / name).symlink_to((folder / name).resolve())
    return str(target)


def compare(ways: dict[str, dict[str, Any]], common: dict[str, Any], lrs: Sequence[float], seeds: int) -> None:
    """Print a line for each way and learning rate, and mark the best of each way."""
    for way, changes in ways.items():
        results = {
            lr: [train(TrainSettings(**common, **changes, lr=lr, seed=seed))[1] for seed in range(seeds)] for lr in lrs
        }
        best = min(results, key=lambda lr: fmean(result.best.val_loss for result in results[lr]))
        for lr, of_seeds in results.items():
            losses = [result.best.val_loss for result in of_seeds]
            accuracies = [100 * result.test_accuracy for result in of_seeds]
            print(
                f"{way:>16}  lr={lr:<7g} validation loss {fmean(losses):.3f} ± {_spread(losses):.3f}, "
                f"test accuracy {fmean(accuracies):.1f} ± {_spread(accuracies):.1f} % (n={seeds})"
                f"{'  best' if lr == best else ''}",
                flush=True,
            )


def _spread(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def main() -> None:
    """Train on one half of the classes, then compare on the other half."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--first-epochs", type=int, default=40, help="of the training on the first half")
    parser.add_argument("--lrs", default="0.01,0.003,0.001,0.0003")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    common = {"model": arguments.model, "image_size": arguments.side, "batch_size": 32, "optimizer": "adam"}
    with tempfile.TemporaryDirectory() as folder:
        first, second = (half_of_classes(arguments.folder, half, Path(folder, f"half-{half}")) for half in (0, 1))
        training, result = train(TrainSettings(**common, data=first, epochs=arguments.first_epochs, augment="standard"))
        print(f"first half of the classes: test accuracy {result.test_accuracy:.1%}, {training.plan.data.classes}")
        weights = Path(folder, "weights.pt")
        weights.write_bytes(weights_file(training.network))
        ways: dict[str, dict[str, Any]] = {
            "from scratch": {},
            "fine-tuned": {"weights": str(weights)},
            "last layer alone": {"weights": str(weights), "freeze": "backbone"},
        }
        lrs = [float(lr) for lr in arguments.lrs.split(",")]
        compare(ways, common | {"data": second, "epochs": arguments.epochs}, lrs, arguments.seeds)


if __name__ == "__main__":
    main()
