"""Pools of stored trainings, of a few cells with many seeds each."""

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from lrstudy.optimizers import usual_lr
from lrstudy.settings import TrainSettings
from lrstudy.settings.decide import DecideSettings
from lrstudy.settings.training import OptimizerChoice
from lrstudy.statistics.outcomes import FAILED, Cell
from lrstudy.statistics.race import half_decade, lr_of

FOLDER = Path(__file__).with_name("pools")
SEEDS = range(100, 120)

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Pool:
    """Trainings of `cells`, each with the same seeds.

    `log_losses` are the logarithms of the lowest validation losses, float64 `(cells, seeds)`, those of `failed` ones
    that of twice the loss of guessing. `curves` are the validation losses after each epoch but that of the untrained
    network, by cell and seed.
    """

    name: str
    cells: tuple[Cell, ...]
    log_losses: np.ndarray
    failed: np.ndarray
    curves: Sequence[Sequence[Sequence[float]]]

    @cached_property
    def epochs(self) -> np.ndarray:
        """The number of epochs of each training, int `(cells, seeds)`."""
        return np.array([[len(curve) for curve in curves] for curves in self.curves])

    @cached_property
    def starts(self) -> list[Cell]:
        """The cell of each optimizer nearest to its usual learning rate."""
        nearest: dict[str, Cell] = {}
        for cell in sorted(self.cells, key=_distance_to_usual):
            nearest.setdefault(cell.optimizer, cell)
        return sorted(nearest.values())


def _distance_to_usual(cell: Cell) -> float:
    return abs(math.log(cell.lr / usual_lr(cell.optimizer.split()[0])))


def read_pool(path: Path) -> Pool:
    """Return the pool in a file."""
    with gzip.open(path) as file:
        records = json.load(file)
    by_training = {(Cell(record["optimizer"], record["lr"]), record["seed"]): record for record in records}
    cells = tuple(sorted({cell for cell, _ in by_training}))
    seeds = sorted({seed for _, seed in by_training})
    table = [[by_training[cell, seed] for seed in seeds] for cell in cells]
    return Pool(
        path.name.split(".")[0],
        cells,
        np.array([[_log_loss(record) for record in row] for row in table]),
        np.array([[_failed(record) for record in row] for row in table]),
        [[[math.nan if loss is None else loss for loss in record["val_loss"][1:]] for record in row] for row in table],
    )


def _failed(record: Record) -> bool:
    return record["verdict"] in FAILED or record["best_val_loss"] is None


def _log_loss(record: Record) -> float:
    return math.log(2 * record["chance_loss"] if _failed(record) else record["best_val_loss"])


def make_pool(name: str, overrides: Mapping[str, str], within: int, workers: int) -> Path:
    """Train a pool, write it to the folder of pools, and return its path.

    Args:
        name: of the pool.
        overrides: settings of a decision, as typed; the epochs and the batch size among them.
        within: how many half decades beside each optimizer's best learning rate the pool reaches.
        workers: the number of processes.
    """
    settings = DecideSettings(**{"threads": "1", "device": "cpu", **overrides})
    with ProcessPoolExecutor(workers, get_context("spawn")) as executor:
        records = [
            record
            for choice in settings.choices
            for record in executor.map(_train, _around_best(settings, choice, within, executor))
        ]
    path = FOLDER / f"{name}.json.gz"
    path.write_bytes(gzip.compress(json.dumps(records, separators=(",", ":")).encode(), mtime=0))
    return path


def _around_best(
    settings: DecideSettings, choice: OptimizerChoice, within: int, executor: ProcessPoolExecutor
) -> list[TrainSettings]:
    """Return the trainings around an optimizer's best learning rate, which is found with the first seed."""

    def training(step: int, seed: int) -> TrainSettings:
        return settings.training(choice, lr_of(step), settings.hidden, seed)

    losses: dict[int, float] = {}
    best = half_decade(usual_lr(choice.optimizer))
    while untried := [step for step in (best - 1, best, best + 1) if step not in losses]:
        trained = executor.map(_train, [training(step, SEEDS[0]) for step in untried])
        losses |= zip(untried, map(_log_loss, trained), strict=True)
        best = min(losses, key=losses.__getitem__)
    return [training(step, seed) for step in range(best - within, best + within + 1) for seed in SEEDS]


def _train(settings: TrainSettings) -> Record:
    from lrstudy.study.trial import planned
    from lrstudy.training import setup
    from lrstudy.training.progress import finalize, initial_progress, track_best

    training = setup.build(planned(settings))
    progress = initial_progress(training)
    for _ in track_best(training, progress, training.epochs(-1)):
        pass
    result, plan = finalize(training, progress), training.plan
    return {
        "optimizer": settings.optimizer_label,
        "lr": settings.lr,
        "seed": settings.seed,
        "verdict": result.verdict.word,
        "val_loss": [_rounded(epoch.val_loss) for epoch in result.history],
        "best_val_loss": _rounded(result.best.val_loss),
        "best_val_accuracy": _rounded(result.best.val_accuracy),
        "test_accuracy": _rounded(result.test_accuracy),
        "chance_loss": _rounded(plan.chance_loss),
        "chance_accuracy": _rounded(plan.chance_accuracy),
    }


def _rounded(value: float) -> float | None:
    """Return a number with five digits; None, which JSON has, if it is not finite."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
