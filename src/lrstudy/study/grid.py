"""The trainings of a grid: every optimizer with every learning rate, shape and seed, and extensions of its axes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import product
from statistics import mean

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lrstudy.compat.optuna_internals import AskedGridSampler
from lrstudy.formatting import format_setting
from lrstudy.settings import GridSettings, TrainSettings
from lrstudy.settings.fields import MAX_FLOAT, MIN_FLOAT
from lrstudy.settings.training import OptimizerChoice
from lrstudy.study.optuna_study import ProposedTrial, StudyFile
from lrstudy.study.trial_result import TrialResult, best_of
from lrstudy.training.epoch import Epoch

# An extension adds a learning rate at half a decade's distance, …
EXTENSION_FACTOR = math.sqrt(10)
# … and at most six on either side: three decades.
MAX_EXTENSIONS = 6
# The significant digits of an added learning rate: 0.316, not 0.31622776601683794.
DIGITS = 3


class Grid:
    """The proposer of a grid: its trainings in order, then those that extend it beyond a best learning rate."""

    prunes = False

    def __init__(self, settings: GridSettings, file: StudyFile) -> None:
        self._settings = settings
        self._study = file.create("grid", AskedGridSampler(_axes(settings), seed=0), optuna.pruners.NopPruner())
        self._distributions = _distributions(settings)
        self._waiting = deque(settings.cells())
        self._asked = self._ask_all(settings.cells())
        self._proposed = 0
        self._results: dict[int, TrialResult] = {}

    @property
    def planned(self) -> int:
        """Return the number of trainings, as far as it is known."""
        return self._proposed + len(self._waiting)

    def propose(self) -> TrainSettings | None:
        """Return the next training; None if there is none, or none before a running one ends."""
        if not self._waiting:
            return None
        cell = self._waiting.popleft()
        self._proposed += 1
        if cell not in self._asked:
            self._study.enqueue_trial(_parameters(cell))
            self._asked[cell] = ProposedTrial(self._study, self._study.ask(self._distributions))
        return cell

    def should_prune(self, number: int, epoch: Epoch) -> bool:  # noqa: ARG002
        """Return False: all trials of a grid are trained to their end."""
        return False

    def tell(self, result: TrialResult) -> None:
        """Take the result of a trial."""
        self._results[result.number] = result
        self._asked[result.specification.settings].tell(result)
        if self._settings.extend and len(self._results) == self._proposed and not self._waiting:
            self._waiting.extend(self._extensions())

    def finish(self) -> list[str]:
        """Return a sentence per optimizer whose best learning rate has no neighbour on one side."""
        sentences = []
        for choice, hidden in product(self._settings.choices, self._settings.hidden):
            lrs, optimizer = self._scores(choice, hidden), self._label(choice)
            best = min(lrs, key=lrs.__getitem__)
            if len(lrs) > 1 and min(lrs) < best < max(lrs):
                continue
            shape = f" with hidden={format_setting(hidden)}" if len(self._settings.hidden) > 1 else ""
            if best_of(self._results_of(choice, hidden)) is None:
                lowest = format_setting(min(lrs))
                sentences.append(f"{optimizer}{shape}: no training succeeded; try learning rates below {lowest}.")
                continue
            where = f"{optimizer}{shape}: the best learning rate, {format_setting(best)}, is at the edge of the grid"
            extended = self._settings.extend
            sentences.append(
                f"{where}, even with extend=true." if extended else f"{where}; use extend=true to search beyond it."
            )
        return sentences

    def _ask_all(self, cells: list[TrainSettings]) -> dict[TrainSettings, ProposedTrial]:
        """Ask for Optuna's trials of all cells at once, since its sampler proposes them in an order of its own."""
        asked = [self._study.ask(self._distributions) for _ in cells]
        by_parameters = {tuple(sorted(_parameters(cell).items())): cell for cell in cells}
        trials = {by_parameters[tuple(sorted(trial.params.items()))]: trial for trial in asked}
        return {cell: ProposedTrial(self._study, trials[cell]) for cell in cells}

    def _label(self, choice: OptimizerChoice) -> str:
        return self._settings.training(choice, self._settings.lrs[0], self._settings.hidden[0], 0).optimizer_label

    def _scores(self, choice: OptimizerChoice, hidden: tuple[int, ...]) -> dict[float, float]:
        """Return the mean objective over the seeds, by ascending learning rate; infinite if a training has failed."""
        objectives: dict[float, list[float]] = {}
        for result in self._results_of(choice, hidden):
            objectives.setdefault(result.specification.settings.lr, []).append(result.objective)
        return {lr: mean(objectives[lr]) for lr in sorted(objectives)}

    def _results_of(self, choice: OptimizerChoice, hidden: tuple[int, ...]) -> list[TrialResult]:
        results = ((result, result.specification.settings) for result in self._results.values())
        return [result for result, cell in results if (cell.choice, cell.hidden) == (choice, hidden)]

    def _extensions(self) -> Sequence[TrainSettings]:
        """Return the cells that extend each axis whose end is the best learning rate."""
        cells = []
        for choice, hidden in product(self._settings.choices, self._settings.hidden):
            scores = self._scores(choice, hidden)
            best = min(scores, key=scores.__getitem__)
            for lr in _extended_lrs(self._settings.lrs, sorted(scores), best):
                seeds = range(self._settings.seed, self._settings.seed + self._settings.seeds)
                cells += [self._settings.training(choice, lr, hidden, seed) for seed in seeds]
        return cells


def _extended_lrs(axis: Sequence[float], tried: Sequence[float], best: float) -> list[float]:
    """Return the learning rates that bracket `best` if it is the lowest or the highest of those `tried`."""
    lrs = []
    for end, side in ((min, -1), (max, 1)):
        steps = [_lr_at(end(axis), side * step) for step in range(MAX_EXTENSIONS + 1)]
        if best == end(tried) and (further := [lr for lr in steps if _is_valid_lr(lr) and side * lr > side * best]):
            lrs.append(further[0])
    return lrs


def _is_valid_lr(lr: float) -> bool:
    return MIN_FLOAT <= lr <= MAX_FLOAT


def _lr_at(end: float, step: int) -> float:
    return float(f"{end * EXTENSION_FACTOR**step:.{DIGITS}g}")


def _parameters(cell: TrainSettings) -> dict[str, str | float | int]:
    """Return the parameters that distinguish the trials of a grid; the optimizer's own settings are in its name."""
    return {"optimizer": cell.optimizer_label, "lr": cell.lr, "hidden": format_setting(cell.hidden), "seed": cell.seed}


def _axes(settings: GridSettings) -> dict[str, list[str | float | int]]:
    cells = [_parameters(cell) for cell in settings.cells()]
    return {name: list(dict.fromkeys(cell[name] for cell in cells)) for name in cells[0]}


def _distributions(settings: GridSettings) -> dict[str, BaseDistribution]:
    """Return the distributions of these parameters; that of the learning rate covers all extensions."""
    axes = _axes(settings)
    steps = MAX_EXTENSIONS * settings.extend
    low, high = _lr_at(min(settings.lrs), -steps), _lr_at(max(settings.lrs), steps)
    return {
        "optimizer": CategoricalDistribution(axes["optimizer"]),
        "lr": FloatDistribution(min(low, *settings.lrs), max(high, *settings.lrs), log=True),
        "hidden": CategoricalDistribution(axes["hidden"]),
        "seed": IntDistribution(settings.seed, settings.seed + settings.seeds - 1),
    }
