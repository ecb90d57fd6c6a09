"""Measure the cost of each part of a recipe per step: `python benchmarks/recipes.py [--model cnn --image-size 64 …]`.

Steps with and without the part alternate in one process, and the ratio of their medians is printed. All settings of a
training can be given; they hold for both sides.
"""

import sys
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lrstudy.cli.command_line import parse
from lrstudy.errors import SettingsError
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import setup
from lrstudy.training.loop import train_epochs

PARTS: dict[str, dict[str, Any]] = {
    "schedule=cosine": {"schedule": "cosine"},
    "augment=flip": {"augment": "flip"},
    "augment=crop": {"augment": "crop"},
    "augment=standard": {"augment": "standard"},
    "augment=trivial": {"augment": "trivial"},
    "label_smoothing=0.1": {"label_smoothing": 0.1},
    "class_weights=balanced": {"class_weights": "balanced"},
    "clip_norm=1": {"clip_norm": 1.0},
    "ema=0.99": {"ema": 0.99},
    "decay=matrices": {"decay": "matrices"},
    "precision=bf16": {"precision": "bf16"},
}
DEFAULTS = ["--model", "cnn", "--image-size", "64"]
REPEATS = 7


def seconds_per_step(settings: TrainSettings) -> float:
    """Return the time of a training step, from an epoch of training alone."""
    training = setup.build(planned(settings))
    records = train_epochs(
        training.network,
        training.optimizer,
        training.train,
        training.validation,
        epochs=1,
        batch_size=settings.batch_size,
        seed=0,
        recipe=training.recipe,
        average=training.average,
        last_done=0,
    )
    (epoch,) = records
    steps = -(-len(training.train) // settings.batch_size)
    return epoch.train_seconds / steps


def main(arguments: list[str]) -> None:
    """Print the ratio of each part's step to the plain step."""
    plain = parse(TrainSettings, [*DEFAULTS, *arguments])
    seconds_per_step(plain)  # the first steps take longer
    print(
        f"{plain.data}, {plain.model}, batches of {plain.batch_size}: a step's time with each part, over that without"
    )
    for name, changes in PARTS.items():
        try:
            pairs = [
                (seconds_per_step(plain.model_copy(update=changes)), seconds_per_step(plain)) for _ in range(REPEATS)
            ]
        except SettingsError as error:  # a precision that the device does not have
            print(f"{name:>24}  {error}")
            continue
        ratio = median(with_part / without for with_part, without in pairs)
        milliseconds = 1000 * median(without for _, without in pairs)
        print(f"{name:>24}  {ratio:5.2f}  (plain step: {milliseconds:.1f} ms, n = {REPEATS} pairs)", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
