"""The trainings of a grid: every optimizer with every learning rate, shape and seed, and extensions of its axes.

An extended grid brackets each best learning rate: it has a worse one on either side at half a decade's distance.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import product
from statistics import fmean

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lrstudy.answer.advice import LR_STEP
from lrstudy.compat.optuna_internals import AskedGridSampler
from lrstudy.formatting import format_setting
from lrstudy.settings import GridSettings, TrainSettings
from lrstudy.settings.fields import MIN_FLOAT, is_valid_lr
from lrstudy.settings.training import OptimizerChoice
from lrstudy.statistics.outcomes import FAILED
from lrstudy.statistics.race import is_near
from lrstudy.study.optuna_study import ProposedTrial, StudyFile
from lrstudy.study.proposer import UnstoppedTrials
from lrstudy.study.trial_result import TrialResult, best_of

# An extension adds learning rates at the distance that advice has, and at most six beyond either edge: three decades.
MAX_EXTENSIONS = 6
# The significant digits of an added learning rate: 0.316, not 0.31622776601683794.
DIGITS = 3


class Grid(UnstoppedTrials):
    """The proposer of a grid: its trainings in order, then those that bracket each best learning rate."""

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

    def tell(self, result: TrialResult) -> None:
        """Take the result of a trial."""
        self._results[result.number] = result
        self._asked[result.specification.settings].tell(result)
        if self._settings.extend and len(self._results) == self._proposed and not self._waiting:
            self._waiting.extend(self._extensions())

    def finish(self) -> list[str]:
        """Return a sentence per optimizer whose best learning rate is not bracketed."""
        axes = product(self._settings.choices, self._settings.hidden)
        return [sentence for choice, hidden in axes if (sentence := self._unsettled(choice, hidden))]

    def _unsettled(self, choice: OptimizerChoice, hidden: tuple[int, ...]) -> str:
        """Return a sentence on the missing neighbours of the best learning rate; an empty one if it is bracketed."""
        lrs = self._scores(choice, hidden)
        best = min(lrs, key=lrs.__getitem__)
        shape = f" with hidden={format_setting(hidden)}" if len(self._settings.hidden) > 1 else ""
        optimizer = f"{self._label(choice)}{shape}"
        if best_of(self._results_of(choice, hidden)) is None:
            return f"{optimizer}: no training succeeded; try learning rates below {format_setting(min(lrs))}."
        where = f"{optimizer}: the best learning rate, {format_setting(best)},"
        if best in (min(lrs), max(lrs)):
            further = ", even with extend=true" if self._settings.extend else "; use extend=true to search beyond it"
            return f"{where} is at the edge of the grid{further}."
        if _beside(self._settings.lrs, list(lrs), best):
            return f"{where} has none beside it within half a decade; use extend=true to try them."
        return ""

    def _ask_all(self, cells: list[TrainSettings]) -> dict[TrainSettings, ProposedTrial]:
        """Ask for Optuna's trials of all cells at once, since its sampler proposes them in an order of its own."""
        asked = [self._study.ask(self._distributions) for _ in cells]
        by_parameters = {tuple(sorted(_parameters(cell).items())): cell for cell in cells}
        trials = {by_parameters[tuple(sorted(trial.params.items()))]: trial for trial in asked}
        return {cell: ProposedTrial(self._study, trials[cell]) for cell in cells}

    def _label(self, choice: OptimizerChoice) -> str:
        return self._settings.training(choice, self._settings.lrs[0], self._settings.hidden[0], 0).optimizer_label

    def _scores(self, choice: OptimizerChoice, hidden: tuple[int, ...]) -> dict[float, tuple[bool, float]]:
        """Return whether a training has failed, and the mean log objective, by ascending learning rate.

        The lowest score is the best, as in the answer: one without a failed training if there is one.
        """
        results: dict[float, list[TrialResult]] = {}
        for result in self._results_of(choice, hidden):
            results.setdefault(result.specification.settings.lr, []).append(result)
        return {lr: _score(results[lr]) for lr in sorted(results)}

    def _results_of(self, choice: OptimizerChoice, hidden: tuple[int, ...]) -> list[TrialResult]:
        results = ((result, result.specification.settings) for result in self._results.values())
        return [result for result, cell in results if (cell.choice, cell.hidden) == (choice, hidden)]

    def _extensions(self) -> Sequence[TrainSettings]:
        """Return the cells that are missing beside a best learning rate: beyond the edge, then within the grid."""
        cells = []
        for choice, hidden in product(self._settings.choices, self._settings.hidden):
            scores = self._scores(choice, hidden)
            best = min(scores, key=scores.__getitem__)
            for lr in _extended_lrs(self._settings.lrs, list(scores), best) or _beside(
                self._settings.lrs, list(scores), best
            ):
                seeds = range(self._settings.seed, self._settings.seed + self._settings.seeds)
                cells += [self._settings.training(choice, lr, hidden, seed) for seed in seeds]
        return cells


def _extended_lrs(axis: Sequence[float], tried: Sequence[float], best: float) -> list[float]:
    """Return the learning rates that bracket `best` if it is the lowest or the highest of those `tried`."""
    lrs = []
    for end, side in ((min, -1), (max, 1)):
        steps = [_lr_at(end(axis), side * step) for step in range(MAX_EXTENSIONS + 1)]
        if best == end(tried) and (further := [lr for lr in steps if is_valid_lr(lr) and side * lr > side * best]):
            lrs.append(further[0])
    return lrs


def _beside(axis: Sequence[float], tried: Sequence[float], best: float) -> list[float]:
    """Return the learning rates half a decade from `best`, on each side where the nearest one `tried` is further."""
    typed = min(axis, key=lambda lr: abs(math.log(lr / best)))
    steps = round(math.log(best / typed, LR_STEP))
    lower, higher = [lr for lr in tried if lr < best], [lr for lr in tried if lr > best]
    nearest = [*((lr, -1) for lr in lower[-1:]), *((lr, 1) for lr in higher[:1])]
    return [_lr_at(typed, steps + side) for lr, side in nearest if not is_near(lr, best)]


def _score(results: Sequence[TrialResult]) -> tuple[bool, float]:
    failed = any(not result.verdict or result.verdict in FAILED for result in results)
    return failed, fmean(math.log(max(result.objective, MIN_FLOAT)) for result in results)


def _lr_at(end: float, step: int) -> float:
    return float(f"{end * LR_STEP**step:.{DIGITS}g}")


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
