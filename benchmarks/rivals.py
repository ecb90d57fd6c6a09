"""Other ways to choose a cell, on the same trainings."""

import statistics
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import optuna

from lrstudy.statistics.outcomes import Cell
from replay import Replay

MAX_FIXED = 20
TRIALS_PER_CELL = 3
SEEDS_PER_TRIAL = 10


@dataclass(frozen=True)
class Choice:
    """A chosen cell's regret, in log units, and the cost of the choice."""

    regret: float
    trainings: int
    epochs: int


def fixed(replay: Replay) -> list[Choice]:
    """Return the choices of the lowest mean with 1, 2, … seeds of each cell."""
    columns = replay.columns[:MAX_FIXED]
    means = np.cumsum(replay.pool.log_losses[:, columns], axis=1)
    epochs = np.cumsum(replay.pool.epochs[:, columns].sum(axis=0))
    return [
        Choice(replay.regret(int(means[:, index].argmin())), len(means) * (index + 1), int(epochs[index]))
        for index in range(MAX_FIXED)
    ]


def unlimited(replay: Replay) -> float:
    """Return the regret of a choice by all trainings of the half: how much the two halves differ."""
    return replay.regret(int(replay.sampled.argmin()))


def successive_halving(replay: Replay) -> Choice:
    """Keep the better half of the cells, with twice as many seeds, until one is left."""
    alive = np.arange(len(replay.pool.cells))
    trainings = epochs = spent = 0
    seeds = 1
    while len(alive) > 1:
        fresh = replay.columns[spent:seeds]
        trainings += len(alive) * len(fresh)
        epochs += int(replay.pool.epochs[np.ix_(alive, fresh)].sum())
        means = replay.pool.log_losses[np.ix_(alive, replay.columns[:seeds])].mean(axis=1)
        alive = alive[means.argsort(kind="stable")[: (len(alive) + 1) // 2]]
        spent, seeds = seeds, 2 * seeds
    return Choice(replay.regret(int(alive[0])), trainings, epochs)


def median_pruning(replay: Replay) -> Choice:
    """Optuna's TPE and its median pruner: each trial is a training, pruned by its validation losses."""
    study, pool = _study(replay, optuna.pruners.MedianPruner()), replay.pool
    counts, epochs = Counter[int](), 0
    for _ in range(TRIALS_PER_CELL * len(pool.cells)):
        trial = study.ask()
        place = _suggest(trial, pool.cells)
        seed = replay.columns[counts[place]]
        counts[place] += 1
        for epoch, loss in enumerate(pool.curves[place][seed]):
            epochs += 1
            trial.report(loss, epoch)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, float(pool.log_losses[place, seed]))
    return Choice(replay.regret(_best(study, pool.cells)), counts.total(), epochs)


def wilcoxon_pruning(replay: Replay) -> Choice:
    """Optuna's TPE and its Wilcoxon pruner: each trial is a cell, pruned by its seeds' losses.

    A pruned trial has the mean of its seeds so far, as Optuna advises; a cell that is proposed again has its mean.
    """
    study, pool = _study(replay, optuna.pruners.WilcoxonPruner()), replay.pool
    losses: dict[int, list[float]] = {}
    for _ in range(TRIALS_PER_CELL * len(pool.cells)):
        trial = study.ask()
        place = _suggest(trial, pool.cells)
        if place not in losses:
            losses[place] = _until_pruned(trial, pool.log_losses[place, replay.columns[:SEEDS_PER_TRIAL]], place)
        study.tell(trial, statistics.fmean(losses[place]))
    spent = [int(epochs) for place, known in losses.items() for epochs in _epochs(replay, place, len(known))]
    return Choice(replay.regret(_best(study, pool.cells)), len(spent), sum(spent))


def _until_pruned(trial: optuna.Trial, losses: np.ndarray, place: int) -> list[float]:
    """Report losses until the trial is pruned, and return those reported.

    The test takes a second where differences are equal, as those of a seed that was drawn twice: billionths tell them
    apart.
    """
    reported: list[float] = []
    for number, loss in enumerate(losses):
        reported.append(float(loss))
        trial.report(float(loss) + 1e-9 * (place + 1) * number, number)
        if trial.should_prune():
            break
    return reported


def _epochs(replay: Replay, place: int, seeds: int) -> np.ndarray:
    epochs: np.ndarray = replay.pool.epochs[place, replay.columns[:seeds]]
    return epochs


def _study(replay: Replay, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=replay.number), pruner=pruner)


def _suggest(trial: optuna.Trial, cells: tuple[Cell, ...]) -> int:
    """Return the place of the cell that a trial takes: of an optimizer, and of one of its learning rates."""
    optimizer = trial.suggest_categorical("optimizer", list(dict.fromkeys(cell.optimizer for cell in cells)))
    rates = [cell.lr for cell in cells if cell.optimizer == optimizer]
    return cells.index(Cell(optimizer, trial.suggest_categorical(f"lr of {optimizer}", rates)))


def _best(study: optuna.Study, cells: tuple[Cell, ...]) -> int:
    params = study.best_params
    return cells.index(Cell(params["optimizer"], params[f"lr of {params['optimizer']}"]))


def quietly(choose: Callable[[Replay], Choice], replay: Replay) -> Choice:
    """Choose without Optuna's warnings that its Wilcoxon pruner is new, and of losses that are not numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return choose(replay)


RIVALS: dict[str, Callable[[Replay], Choice]] = {
    "successive halving": successive_halving,
    "TPE, median pruner": median_pruning,
    "TPE, Wilcoxon pruner": wilcoxon_pruning,
}
