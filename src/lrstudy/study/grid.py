"""The trainings of a grid: every optimizer with every learning rate, shape and seed, and what lies beyond its ends."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import product
from statistics import mean

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import GridSampler
from optuna.trial import FrozenTrial, TrialState

from lrstudy.formatting import format_setting
from lrstudy.settings import GridSettings, TrainSettings
from lrstudy.settings.fields import MAX_FLOAT, MIN_FLOAT
from lrstudy.study.optuna_study import ProposedTrial, StudyFile
from lrstudy.study.trial_result import TrialResult
from lrstudy.training.epoch import Epoch

# An extension goes on by half a decade, …
STEP = math.sqrt(10)
# … and at most so many times beyond either end: three decades.
MAX_STEPS = 6
# A learning rate as a person writes it: 0.316, not 0.31622776601683794.
DIGITS = 3


class Grid:
    """Proposes a grid's trainings in its order, then those beyond an axis's end, as what has ended calls for them."""

    prunes = False

    def __init__(self, settings: GridSettings, file: StudyFile) -> None:
        self._settings = settings
        self._study = file.create("grid", _AskedGridSampler(_axes(settings), seed=0), optuna.pruners.NopPruner())
        self._distributions = _distributions(settings)
        self._waiting = deque(settings.cells())
        self._asked = self._ask_all(settings.cells())
        self._proposed = 0
        self._done: dict[int, TrialResult] = {}

    @property
    def planned(self) -> int:
        """The number of trainings, as far as is known."""
        return self._proposed + len(self._waiting)

    def propose(self) -> TrainSettings | None:
        """The next training; None where none is left, or none before what runs has ended."""
        if not self._waiting:
            return None
        cell = self._waiting.popleft()
        self._proposed += 1
        if cell not in self._asked:
            self._study.enqueue_trial(_parameters(cell))
            self._asked[cell] = ProposedTrial(self._study, self._study.ask(self._distributions))
        return cell

    def heard(self, number: int, epoch: Epoch) -> bool:  # noqa: ARG002
        """A grid's trials are all trained to their end."""
        return False

    def tell(self, done: TrialResult) -> None:
        """Takes how a trial ended."""
        self._done[done.number] = done
        self._asked[done.specification.settings].tell(done)
        if self._settings.extend and len(self._done) == self._proposed and not self._waiting:
            self._waiting.extend(self._beyond())

    def finish(self) -> list[str]:
        """Sentences on the optimizers whose best learning rate has none on one side to compare with."""
        sentences = []
        for optimizer, hidden in product(self._settings.optimizers, self._settings.hidden):
            lrs = self._scores(optimizer, hidden)
            best = min(lrs, key=lrs.__getitem__)
            if len(lrs) > 1 and min(lrs) < best < max(lrs):
                continue
            shape = f" with hidden={format_setting(hidden)}" if len(self._settings.hidden) > 1 else ""
            advice = "even beyond it" if self._settings.extend else "extend=true goes on beyond it"
            sentences.append(
                f"{optimizer}{shape}: the best learning rate, {format_setting(best)}, is at an end; {advice}."
            )
        return sentences

    def _ask_all(self, cells: list[TrainSettings]) -> dict[TrainSettings, ProposedTrial]:
        """Optuna's trial for each cell. Its sampler gives each once, in an order of its own: all are asked for now."""
        asked = [self._study.ask(self._distributions) for _ in cells]
        by_parameters = {tuple(sorted(_parameters(cell).items())): cell for cell in cells}
        trials = {by_parameters[tuple(sorted(trial.params.items()))]: trial for trial in asked}
        return {cell: ProposedTrial(self._study, trials[cell]) for cell in cells}

    def _scores(self, optimizer: str, hidden: tuple[int, ...]) -> dict[float, float]:
        """The mean objective over the seeds, by learning rate, ascending; infinite where a training has failed."""
        found: dict[float, list[float]] = {}
        for done in self._done.values():
            cell = done.specification.settings
            if (cell.optimizer, cell.hidden) == (optimizer, hidden):
                found.setdefault(cell.lr, []).append(done.objective)
        return {lr: mean(found[lr]) for lr in sorted(found)}

    def _beyond(self) -> Sequence[TrainSettings]:
        """The next cells beyond each end that is an optimizer's best."""
        cells = []
        for optimizer, hidden in product(self._settings.optimizers, self._settings.hidden):
            scores = self._scores(optimizer, hidden)
            best = min(scores, key=scores.__getitem__)
            for lr in _further(self._settings.lrs, sorted(scores), best):
                seeds = range(self._settings.seed, self._settings.seed + self._settings.seeds)
                cells += [self._settings.training(optimizer, lr, hidden, seed) for seed in seeds]
        return cells


def _further(axis: Sequence[float], tried: Sequence[float], best: float) -> list[float]:
    """The learning rates that bracket `best`, the best of those `tried`, where it is the lowest or the highest."""
    found = []
    for end, side in ((min, -1), (max, 1)):
        steps = [_beyond_end(end(axis), side * step) for step in range(MAX_STEPS + 1)]
        if best == end(tried) and (further := [lr for lr in steps if _is_rate(lr) and side * lr > side * best]):
            found.append(further[0])
    return found


def _is_rate(lr: float) -> bool:
    return MIN_FLOAT <= lr <= MAX_FLOAT


def _beyond_end(end: float, step: int) -> float:
    return float(f"{end * STEP**step:.{DIGITS}g}")


def _parameters(cell: TrainSettings) -> dict[str, str | float | int]:
    """What tells a grid's trials apart, as Optuna names it."""
    return {"optimizer": cell.optimizer, "lr": cell.lr, "hidden": format_setting(cell.hidden), "seed": cell.seed}


def _axes(settings: GridSettings) -> dict[str, list[str | float | int]]:
    cells = [_parameters(cell) for cell in settings.cells()]
    return {name: list(dict.fromkeys(cell[name] for cell in cells)) for name in cells[0]}


def _distributions(settings: GridSettings) -> dict[str, BaseDistribution]:
    """Of the same parameters; the learning rate's reaches as far as an extension may."""
    axes = _axes(settings)
    steps = MAX_STEPS * settings.extend
    low, high = _beyond_end(min(settings.lrs), -steps), _beyond_end(max(settings.lrs), steps)
    return {
        "optimizer": CategoricalDistribution(axes["optimizer"]),
        "lr": FloatDistribution(min(low, *settings.lrs), max(high, *settings.lrs), log=True),
        "hidden": CategoricalDistribution(axes["hidden"]),
        "seed": IntDistribution(settings.seed, settings.seed + settings.seeds - 1),
    }


class _AskedGridSampler(GridSampler):
    """Optuna's, for trials that are asked for: it does not stop a loop of Optuna's own, since none is running."""

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        pass
