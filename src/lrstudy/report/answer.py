"""Answer of a group in words: the best cell, how sure it is, how the others compare with it, and the next step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from lrstudy.answer.state import AnswerState, evidence, find_state, headline
from lrstudy.formatting import format_epochs, format_loss, format_percent, pluralize
from lrstudy.report.cells import Cell, format_spread, test_accuracy
from lrstudy.report.commands import rerun_command
from lrstudy.report.comparison import Comparison
from lrstudy.report.next_step import (
    NextStep,
    advise_comparison,
    advise_convergence,
    advise_learning,
    advise_lower,
    advise_resumption,
    advise_seeds,
)
from lrstudy.report.optimizer_summary import most_accurate
from lrstudy.report.runs import Run
from lrstudy.verdicts.chance_level import STANDARD_ERRORS


@dataclass(frozen=True)
class AnswerText:
    """A headline, sentences on its certainty and scores, others on the evidence, and a command with its purpose."""

    headline: str
    sentences: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    command: str | None = None
    command_purpose: str = ""


def answer_state(comparison: Comparison, study: Run | None) -> AnswerState:
    """Return the state of a group's answer; `study` is the run of the study that it belongs to, if any."""
    cells, best = len(comparison.group.cells), comparison.best
    return find_state(
        comparison.answer,
        cells=cells,
        diverged=cells - len(comparison.trained),
        learned=any(map(comparison.has_learned, comparison.trained)),
        converged=best is not None and comparison.has_converged(best),
        finished=study is None or study.status == "FINISHED",
    )


def make_answer(comparison: Comparison, state: AnswerState, study: Run | None) -> AnswerText:
    """Return the answer of a group of trainings in words."""
    title = headline(state, comparison.answer)
    advise = _NEXT_STEPS.get(state)
    step = advise(comparison, study) if advise else None
    advice = [f"First, {step.advice}."] if step else []
    if state is AnswerState.NOTHING_LEARNED:
        advice += _no_better_than_guessing(comparison)
    best = comparison.best if state.best_label else None
    if best is None:
        command, purpose = (step.command, "To do that:") if step else (None, "")
        return AnswerText(title, (*advice, *evidence(state, comparison.answer)), (), command, purpose)
    converged = _best_converged(comparison) if state is AnswerState.NOT_CONVERGED else []
    certainty, others = (found := evidence(state, comparison.answer))[:1], found[1:]
    main = (*advice, *converged, *certainty, _scores(comparison, best), *_when_to_stop(best))
    details = (*others, *_untried(comparison, best), _test(best))
    if step:
        return AnswerText(title, main, details, step.command, "To do that:")
    return AnswerText(title, main, details, rerun_command(best.trainings[0]), "Command that repeats this training:")


_NEXT_STEPS: dict[AnswerState, Callable[[Comparison, Run | None], NextStep]] = {
    AnswerState.NOTHING_LEARNED: advise_learning,
    AnswerState.ALL_FAILED: advise_lower,
    AnswerState.SINGLE: advise_comparison,
    AnswerState.UNFINISHED: advise_resumption,
    AnswerState.NOT_CONVERGED: advise_convergence,
    AnswerState.OPEN: advise_seeds,
}


def _best_converged(comparison: Comparison) -> list[str]:
    """Return a sentence on the best cell of those that learned and converged, if any."""
    learned = filter(comparison.has_learned, comparison.ranking)
    cell = next((cell for cell in learned if comparison.has_converged(cell)), None)
    return [f"{cell.name} is the best that has converged, with {_named_scores(cell)}."] if cell else []


def _untried(comparison: Comparison, best: Cell) -> list[str]:
    """Return a sentence on an optimizer of which one learning rate was tried."""
    if len(comparison.group.of(best.optimizer)) > 1:
        return []
    return [f"No other learning rate was tried for {best.optimizer}, so the width of its usable band is not known."]


def _named_scores(cell: Cell) -> str:
    loss = f"a validation loss of {format_spread(cell.loss, format_loss)}"
    accuracy = f" and an accuracy of {format_spread(cell.accuracy, format_percent)}"
    return f"{loss}{accuracy * bool(cell.accuracy.n)}"


def _no_better_than_guessing(comparison: Comparison) -> list[str]:
    """Return a sentence on the highest accuracy and that of guessing, if they are known."""
    top, chance = most_accurate(comparison.trained), comparison.chance_level
    if top is None or chance is None:
        return []
    return [
        f"The highest validation accuracy, {format_percent(top.accuracy.mean)} of {top.name}, is not above "
        f"{format_percent(chance.limit)}: always naming the largest class is right for "
        f"{format_percent(chance.accuracy)} of the {pluralize(chance.images, 'image')}, give or take "
        f"{STANDARD_ERRORS} standard errors."
    ]


def _when_to_stop(best: Cell) -> list[str]:
    """Return a sentence on when to stop training a cell that overfits."""
    if best.verdict != "overfits":
        return []
    epoch = format_epochs(fmean(training.best_epoch for training in best.trainings))
    return [f"It overfits: its validation loss is lowest at epoch {epoch}; stop there, with epochs={epoch}."]


def _scores(comparison: Comparison, best: Cell) -> str:
    text = f"Its best validation loss is {format_spread(best.loss, format_loss)}"
    if best.accuracy.n:
        text += f", its validation accuracy {format_spread(best.accuracy, format_percent)}"
    if comparison.is_imbalanced and best.balanced_accuracy.n:
        text += f", its balanced accuracy {format_spread(best.balanced_accuracy, format_percent)}"
    seeds = f"mean ± standard deviation over n = {best.n} seeds" if best.n > 1 else "n = 1 seed"
    return f"{text} ({seeds})."


def _test(best: Cell) -> str:
    test = test_accuracy(best)
    if not test.n:
        return "No held-out test score was logged."
    images = next((training.run.images["test"] for training in best.trainings if "test" in training.run.images), 0)
    split = f"the held-out test split ({pluralize(images, 'image')})" if images else "the held-out test split"
    return f"On {split} its accuracy is {format_spread(test, format_percent)} (n = {test.n})."
