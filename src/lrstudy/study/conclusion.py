"""The conclusion from the results of a study: the answer, its state, and what to change first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

from lrstudy.answer.advice import TrainingLength, learning_advice, longer_training_advice, lower_lrs_advice
from lrstudy.answer.defaults import CONFIDENCE, DELTA
from lrstudy.answer.state import AnswerState, evidence, find_state, headline
from lrstudy.formatting import format_setting
from lrstudy.server_names import CONVERGED
from lrstudy.statistics.answer import Answer, find_answer
from lrstudy.statistics.outcomes import Cell, Outcomes
from lrstudy.study.trial_outcomes import outcome_of
from lrstudy.study.trial_result import TrialResult
from lrstudy.verdicts.of_seeds import FAULTS, most_common_verdict


@dataclass(frozen=True)
class Conclusion:
    """The answer of a study in words.

    `best` are the trials of the best cell by rising loss, empty if there is none. `best_label` marks them; it is empty
    if no training learned. `answer` is that of the statistics.
    """

    headline: str
    sentences: tuple[str, ...] = ()
    best: tuple[TrialResult, ...] = ()
    best_label: str = ""
    answer: Answer | None = None

    @property
    def representative(self) -> TrialResult | None:
        """The trial of the best cell with the median loss, of two such the lower one."""
        return self.best[(len(self.best) - 1) // 2] if self.best else None


def conclude(results: Sequence[TrialResult], delta: float = DELTA, confidence: float = CONFIDENCE) -> Conclusion:
    """Return the conclusion from the trials of a study; of several network shapes, the best one comes first.

    Args:
        results: of the trials.
        delta: the difference that does not matter, as a share of the loss.
        confidence: of the answer.
    """
    by_shape: dict[tuple[int, ...], list[TrialResult]] = {}
    for result in results:
        if result.completed:
            by_shape.setdefault(result.specification.settings.hidden, []).append(result)
    shapes = {hidden: _Shape(completed, delta, confidence) for hidden, completed in by_shape.items()}
    if len(shapes) < 2:
        return _conclude(next(iter(shapes.values()), _Shape([], delta, confidence)))
    first, *others = sorted(shapes, key=lambda hidden: shapes[hidden].lowest_loss)
    conclusions = {hidden: _conclude(shape) for hidden, shape in shapes.items()}
    headlines = {hidden: f"{each.headline} (hidden={format_setting(hidden)})" for hidden, each in conclusions.items()}
    best = conclusions[first]
    sentences = (*best.sentences, *(f"{headlines[hidden]}." for hidden in others))
    return replace(best, headline=headlines[first], sentences=sentences)


def _conclude(shape: _Shape) -> Conclusion:
    state = shape.state
    advice = _ADVICE[state](shape) if state in _ADVICE else []
    sentences = [*advice, *evidence(state, shape.answer)]
    return Conclusion(headline(state, shape.answer), tuple(sentences), shape.best, state.best_label, shape.answer)


class _Shape:
    """The completed trials of one network shape, by cell."""

    def __init__(self, trials: Sequence[TrialResult], delta: float, confidence: float) -> None:
        self.cells: dict[Cell, list[TrialResult]] = {}
        for trial in trials:
            self.cells.setdefault(outcome_of(trial).cell, []).append(trial)
        answer = find_answer(Outcomes(map(outcome_of, trials)), delta, confidence)
        self.answer: Answer = answer.with_image_limit(self._outcomes_per_image)

    def _outcomes_per_image(self, cells: Sequence[Cell]) -> Outcomes:
        """Return the outcomes of cells with their losses per validation image."""
        trials = [trial for cell in cells for trial in self.cells[cell]]
        with ThreadPoolExecutor() as threads:  # those of reused trials are read from the server
            losses = threads.map(lambda trial: trial.val_losses, trials)
        return Outcomes(map(outcome_of, trials, losses))

    @property
    def best(self) -> tuple[TrialResult, ...]:
        """The trials of the best cell, by rising loss."""
        trials = self.cells[self.answer.best] if self.answer.best else []
        return tuple(sorted(trials, key=lambda trial: trial.val_loss))

    @property
    def lowest_loss(self) -> float:
        """The mean loss of the best cell; infinite if there is none."""
        return fmean(trial.val_loss for trial in self.best) if self.best else math.inf

    @cached_property
    def learned(self) -> list[Cell]:
        """The cells without a diverged training that are better than chance."""
        return [cell for cell, trials in self.cells.items() if not _diverged(trials) and _has_learned(trials)]

    @property
    def state(self) -> AnswerState:
        """The state of the answer."""
        best = self.answer.best
        return find_state(
            self.answer,
            cells=len(self.cells),
            diverged=sum(map(_diverged, self.cells.values())),
            learned=bool(self.learned),
            converged=best is not None and _verdict(self.cells[best]) in CONVERGED,
        )

    @property
    def best_converged(self) -> Cell | None:
        """The best cell of those that learned and converged, if any."""
        differences = {comparison.cell: comparison.difference for comparison in self.answer.comparisons}
        converged = [cell for cell in differences if cell in self.learned and _verdict(self.cells[cell]) in CONVERGED]
        return min(converged, key=differences.__getitem__, default=None)


def _diverged(trials: Sequence[TrialResult]) -> bool:
    return any(trial.diverged for trial in trials)


def _verdict(trials: Sequence[TrialResult]) -> str:
    return most_common_verdict(trial.verdict for trial in trials)


def _has_learned(trials: Sequence[TrialResult]) -> bool:
    chance = trials[0].specification.context.data.chance_level
    return chance.is_beaten_by(fmean(trial.val_accuracy for trial in trials), fmean(trial.val_loss for trial in trials))


def _length(trial: TrialResult) -> TrainingLength:
    settings, sizes = trial.specification.settings, trial.specification.context.data.split_sizes
    return TrainingLength(sizes["train"], settings.batch_size, settings.epochs)


def _advise_learning(shape: _Shape) -> list[str]:
    """Return the first change to make so that a training learns."""
    (trial, *_), *_ = shape.cells.values()
    return [f"First, {learning_advice(_length(trial), [cell.lr for cell in shape.cells])}."]


def _advise_lower(shape: _Shape) -> list[str]:
    """Return the first change to make where each cell has a failed training."""
    lowest = min(cell.lr for cell in shape.learned)
    return [f"First, {lower_lrs_advice(lowest, [cell.lr for cell in shape.cells])}."]


def _advise_convergence(shape: _Shape) -> list[str]:
    """Return the first change to make so that the best cell converges, and the best cell that has."""
    verdict, trial = _verdict(shape.best), shape.best[0]
    if verdict in FAULTS:
        settings = trial.specification.settings
        tried = [cell.lr for cell in shape.cells if cell.optimizer == settings.optimizer_label]
        sentences = [f"First, {lower_lrs_advice(settings.lr, tried, verdict)}."]
    else:
        sentences = [f"First, {longer_training_advice(_length(trial), verdict)}."]
    if converged := shape.best_converged:
        trials = shape.cells[converged]
        loss, accuracy = fmean(trial.val_loss for trial in trials), fmean(trial.val_accuracy for trial in trials)
        scores = f"a validation loss of {loss:.4f} and an accuracy of {accuracy:.1%}"
        sentences.append(f"{converged.name} is the best that has converged, with {scores}.")
    return sentences


_ADVICE: dict[AnswerState, Callable[[_Shape], list[str]]] = {
    AnswerState.NOTHING_LEARNED: _advise_learning,
    AnswerState.NOT_CONVERGED: _advise_convergence,
    AnswerState.ALL_FAILED: _advise_lower,
}
