"""Measure the cost of causes, and how well the early ones foretell the verdict: `python benchmarks/why.py`.

`--overhead` prints the processor time of all measurements of a training over that of the rest of it, the median of
several trainings with the smallest and the largest: for the default training, for epochs of 100 steps or more, and for
convolutions. Both times are of the same process at the same time: on a busy machine, the times of two trainings, one
with and one without `diagnose`, differ by more than the measurements take.

`--foretell` trains a grid of four optimizers, 11 learning rates and three seeds, on digits and, with `--photos FOLDER`,
on photographs, and compares the causes that were measured by epoch 3 with the verdict at the end: the confusion table
of a rule without tuned thresholds, and the AUC of two numbers, with n. The rule: an early step longer than the critical
one foretells a failure (diverged, collapsed or unstable), steps shorter than a tenth of the best one a training that is
too slow. Without an option, both are run.
"""

import argparse
import itertools
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from lrstudy.formatting import format_lr
from lrstudy.optimizers import DEFAULT_OPTIMIZERS
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import setup
from lrstudy.training.diagnosis.diagnosis import Diagnosis
from lrstudy.training.progress import finalize, initial_progress, track_best
from lrstudy.training.result import Result
from lrstudy.training.verdict_causes import causes_of
from lrstudy.verdicts.causes import Causes, Curve, early

REPETITIONS = 5
TRAININGS: dict[str, dict[str, Any]] = {
    "the default: mlp, 5 steps per epoch": {},
    "sgd, 5 steps per epoch": {"optimizer": "sgd", "lr": 0.1},
    "cnn, 5 steps per epoch": {"model": "cnn"},
    "mlp, 158 steps of 8 images per epoch": {"batch_size": 8, "epochs": 10},
    "mlp, 105 steps of 12 images per epoch": {"batch_size": 12, "epochs": 10},
    "cnn, 158 steps of 8 images per epoch": {"model": "cnn", "batch_size": 8, "epochs": 4},
}
LRS = [float(f"{10 ** (place / 2):.3g}") for place in range(-9, 2)]
SEEDS = 3
PHOTOGRAPHS = {"image_size": 32, "batch_size": 32, "epochs": 25}
FAILED, SLOW, FINE = "fails", "too slow", "trains"
KINDS = {"diverged": FAILED, "collapsed": FAILED, "unstable": FAILED, "too slow": SLOW}
# Steps shorter than this share of the best one are short.
SHORT = 0.1


def train(**settings: Any) -> tuple[Result, float]:
    """Train with `diagnose`; return the result, and the share of the epochs' processor time that measurements took."""
    training = setup.build(planned(TrainSettings(threads=1, diagnose=True, **settings)))
    progress = initial_progress(training)
    with measured_time() as measurements:
        started = time.process_time()
        for _ in track_best(training, progress, training.epochs()):
            pass
        seconds = time.process_time() - started
    spent = sum(measurements)
    return finalize(training, progress), spent / (seconds - spent)


@contextmanager
def measured_time() -> Iterator[list[float]]:
    """Yield a list that gets the processor time of each measurement."""
    seconds: list[float] = []
    attempt: Callable[..., Any] = Diagnosis._attempt

    def timed(diagnosis: Diagnosis, measure: Callable[[], Any]) -> Any:
        started = time.process_time()
        result = attempt(diagnosis, measure)
        seconds.append(time.process_time() - started)
        return result

    Diagnosis._attempt = timed  # type: ignore[assignment, method-assign]
    yield seconds
    Diagnosis._attempt = attempt  # type: ignore[method-assign]


def overhead() -> Iterator[str]:
    """Yield a line per kind of training: by how much measurements lengthen it."""
    for name, settings in TRAININGS.items():
        train(**settings)  # imports, and fills caches
        shares = [train(**settings)[1] for _ in range(REPETITIONS)]
        yield f"{name}: {median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%}, n = {REPETITIONS})"


def grid(**settings: Any) -> Iterator[tuple[Causes, str]]:
    """Train a grid; yield the causes of each training, and the kind of its verdict."""
    for optimizer, lr, seed in itertools.product(DEFAULT_OPTIMIZERS, LRS, range(SEEDS)):
        result, _ = train(**settings, optimizer=optimizer, lr=lr, seed=seed)
        word = result.verdict.word
        print(f"  {optimizer} {format_lr(lr)} seed={seed}: {word}; {result.verdict.reason}", file=sys.stderr)
        yield causes_of(result.history), KINDS.get(word, FINE)


def early_ratio(curve: Curve) -> float:
    """Return the largest early ratio of learning rates; infinity where no step descended."""
    ratio = early(curve)
    return math.inf if math.isnan(ratio) else ratio


def foretold(causes: Causes) -> str:
    """Return the kind of verdict that the early causes foretell."""
    if early_ratio(causes.over_critical) > 1:
        return FAILED
    return SLOW if early_ratio(causes.over_best) < SHORT else FINE


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return the probability that a positive number is above a negative one, with half of the ties.

    Source: Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747.
    """
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    return wins / (len(positive) * len(negative)) if positive and negative else math.nan


def describe(outcomes: Sequence[tuple[Causes, str]]) -> Iterator[str]:
    """Yield the confusion table and the AUCs."""
    kinds = (FAILED, FINE, SLOW)
    counts = Counter((kind, foretold(causes)) for causes, kind in outcomes)
    yield f"{'verdict at the end':>20} {'n':>5}   foretold by epoch 3: {'':>2}" + "".join(
        f"{kind:>10}" for kind in kinds
    )
    for kind in kinds:
        row = [counts[kind, guess] for guess in kinds]
        yield f"{kind:>20} {sum(row):>5}   {'':>24}" + "".join(f"{count:>10}" for count in row)
    right = sum(counts[kind, kind] for kind in kinds)
    yield f"right: {right} of {len(outcomes)} ({right / len(outcomes):.0%})"
    numbers: dict[str, tuple[str, Callable[[Causes], float]]] = {
        "learning rate over critical": (FAILED, lambda causes: early_ratio(causes.over_critical)),
        "learning rate over best step": (SLOW, lambda causes: -early_ratio(causes.over_best)),
    }
    for name, (kind, number) in numbers.items():
        positive = [number(causes) for causes, found in outcomes if found == kind]
        negative = [number(causes) for causes, found in outcomes if found != kind]
        area = auc(positive, negative)
        yield f"AUC of {name}, for “{kind}”: {area:.3f} (n = {len(positive)} of {len(outcomes)})"


def main() -> None:
    """Print the overhead, and what the causes foretell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--overhead", action="store_true", help="only the overhead")
    parser.add_argument("--foretell", action="store_true", help="only what the causes foretell")
    parser.add_argument("--photos", type=Path, help="a folder of class folders with photographs")
    options = parser.parse_args()
    if not options.foretell:
        print("overhead, processor time of the measurements over that of the rest:")
        for line in overhead():
            print(f"  {line}", flush=True)
    if not options.overhead:
        grids: dict[str, dict[str, Any]] = {"digits": {}}
        if options.photos:
            grids["photographs"] = {"data": str(options.photos), **PHOTOGRAPHS}
        for name, settings in grids.items():
            print(f"{name}, {len(DEFAULT_OPTIMIZERS)}×{len(LRS)} cells of {SEEDS} seeds:", flush=True)
            print(*describe(list(grid(**settings))), sep="\n", flush=True)


if __name__ == "__main__":
    main()
