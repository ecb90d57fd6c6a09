"""Answer of a group: the best cell, how certain it is, which others are as good, and the next step."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from lrstudy.chance_level import STANDARD_ERRORS
from lrstudy.formatting import (
    format_epochs,
    format_loss,
    format_lr,
    format_percent,
    format_with_deviation,
    join_and,
    pluralize,
)
from lrstudy.report.answer_state import AnswerState, best_converged
from lrstudy.report.cells import Cell, Spread, format_spread
from lrstudy.report.commands import rerun_command
from lrstudy.report.comparison import Comparison
from lrstudy.report.next_step import advise_comparison, advise_convergence, advise_learning, advise_resumption
from lrstudy.report.optimizer_summary import BAND, Band, most_accurate
from lrstudy.report.runs import Run

POINT = f"{100 * BAND:g} percentage point"
MAX_TIED = 6


@dataclass(frozen=True)
class Answer:
    """A headline, sentences on its scores and certainty, and a command with the reason to run it."""

    headline: str
    sentences: tuple[str, ...]
    command: str | None
    command_purpose: str


def make_answer(comparison: Comparison, state: AnswerState, study: Run | None) -> Answer:
    """Return the answer of a group of trainings: a recommendation only in the state `RECOMMENDED`."""
    best = comparison.best
    if best is None:
        return Answer("No learning rate tried can be recommended", (), None, "")
    if state is AnswerState.NOTHING_LEARNED:
        step = advise_learning(comparison, study)
        headline = f"No training learned{step.so_far}; {step.advice}"
        return Answer(headline, (_no_better_than_guessing(comparison),), step.command, "To do that:")
    place = _place(best)
    scores = [_scores(comparison, best), *_when_to_stop(best)]
    evidence = [*_runner_up(comparison, best), *_ties(comparison), _band(comparison, best), _test(best)]
    if state is AnswerState.RECOMMENDED:
        sentences = tuple(filter(None, [*scores, *evidence]))
        command = rerun_command(best.trainings[0])
        return Answer(f"Use {place}", sentences, command, "Command that repeats this training:")
    step = _NEXT_STEPS[state](comparison, study)
    sentences = tuple(filter(None, [f"First, {step.advice}.", *scores, *evidence]))
    headline = _HEADLINES[state].format(place)
    if state is AnswerState.NOT_CONVERGED and (converged := best_converged(comparison)):
        headline += f"; the best converged is {_place(converged)}"
    return Answer(headline, sentences, step.command, "To do that:")


def _place(cell: Cell) -> str:
    return f"{cell.optimizer} with a learning rate of {format_lr(cell.lr)}"


_HEADLINES = {
    AnswerState.SINGLE: "{} is the only training: there is nothing to compare it with",
    AnswerState.UNFINISHED: "{} is the best so far: the study has not finished",
    AnswerState.NOT_CONVERGED: "{} is the best so far, not converged",
}
_NEXT_STEPS = {
    AnswerState.SINGLE: advise_comparison,
    AnswerState.UNFINISHED: advise_resumption,
    AnswerState.NOT_CONVERGED: advise_convergence,
}


def _no_better_than_guessing(comparison: Comparison) -> str:
    """Return the highest accuracy and that of guessing."""
    top, chance = most_accurate(comparison.ranking), comparison.chance_level
    if top is None or chance is None:
        return ""
    return (
        f"The highest validation accuracy, {format_percent(top.accuracy.mean)} of {top.name}, is not above "
        f"{format_percent(chance.limit)}: always naming the largest class is right for "
        f"{format_percent(chance.accuracy)} of the {pluralize(chance.images, 'image')}, give or take "
        f"{STANDARD_ERRORS} standard errors."
    )


def _when_to_stop(best: Cell) -> list[str]:
    """Return a sentence on when to stop training a cell that overfits."""
    if best.verdict != "overfits":
        return []
    epoch = format_epochs(fmean(training.best_epoch for training in best.trainings))
    return [f"It overfits: its validation loss is lowest at epoch {epoch}; stop there, with epochs={epoch}."]


def test_accuracy(cell: Cell) -> Spread:
    """Return the spread of a cell's accuracies on the held-out test split."""
    return Spread.of(training.test_accuracy for training in cell.trainings)


def _scores(comparison: Comparison, best: Cell) -> str:
    text = f"Its best validation loss is {format_spread(best.loss, format_loss)}"
    if best.accuracy.n:
        text += f", its validation accuracy {format_spread(best.accuracy, format_percent)}"
    if comparison.is_imbalanced and best.balanced_accuracy.n:
        text += f", its balanced accuracy {format_spread(best.balanced_accuracy, format_percent)}"
    seeds = f"mean ± standard deviation over n = {best.n} seeds" if best.n > 1 else "n = 1 seed"
    return f"{text} ({seeds})."


def _runner_up(comparison: Comparison, best: Cell) -> list[str]:
    second = comparison.runner_up
    if second is None:
        return ["There is no other cell to compare it with."]
    return [_compared("The runner-up", comparison, second), *_other_optimizer(comparison, best, second)]


def _other_optimizer(comparison: Comparison, best: Cell, second: Cell) -> list[str]:
    """Return a sentence on the best cell of another optimizer, unless it is the runner-up."""
    other = next((cell for cell in comparison.ranking if cell.optimizer != best.optimizer), None)
    return [_compared("The best of another optimizer", comparison, other)] if other and other is not second else []


def _compared(place: str, comparison: Comparison, cell: Cell) -> str:
    difference = comparison.difference(cell)
    name = f"{place}, {cell.optimizer} with {format_lr(cell.lr)}"
    if difference.n < 2:
        higher = format_loss(difference.mean)
        return f"{name}, has a loss higher by {higher}; one seed (n = 1) cannot show whether that is noise."
    higher = format_with_deviation(difference.mean, difference.margin, format_loss)
    interval = f"{higher} (95%, n = {difference.n} seeds{' in pairs' if difference.paired else ' each'})"
    if not difference.is_noise:
        return f"{name}, is worse by more than seed noise: its loss is higher by {interval}."
    less_accurate = ", but its accuracy is lower by more than a point: more seeds would settle it"
    return (
        f"{name}, is within seed noise: its loss is higher by {interval}{less_accurate * (not comparison.tied(cell))}."
    )


def _ties(comparison: Comparison) -> list[str]:
    tied = [cell for cell in comparison.ranking[2:] if comparison.tied(cell)]
    if not tied:
        return []
    return [f"Also within seed noise: {join_and([cell.name for cell in tied[:MAX_TIED]], len(tied))}."]


def _band(comparison: Comparison, best: Cell) -> str:
    band, name = comparison.of(best.optimizer).band, best.optimizer
    if band is None:
        return ""
    if not band.low <= best.lr <= band.high:
        return _outside_band(comparison, best, band)
    if len(comparison.group.of(name)) == 1:
        return f"No other learning rate was tried for {name}, so the width of its usable band is not known."
    if band.points == 1:
        return (
            f"No other learning rate tried for {name} is within {POINT} of its best validation accuracy: its usable "
            f"band is narrower than the steps{', or with one seed this is chance' * (best.n == 1)}."
        )
    return (
        f"The usable band of {name} is {_range(band)}: all {band.points} learning rates tried there are within "
        f"{POINT} of its best validation accuracy."
    )


def _outside_band(comparison: Comparison, best: Cell, band: Band) -> str:
    """Return a sentence on a best cell that is not among its optimizer's most accurate ones."""
    top = most_accurate(comparison.group.of(best.optimizer))
    if top is None:
        return ""
    accuracy = format_spread(top.accuracy, format_percent)
    return (
        f"By accuracy {best.optimizer} is better with {format_lr(top.lr)} ({accuracy}), though its loss is higher: the "
        f"usable band, within {POINT} of it, is {_range(band) if band.points > 1 else format_lr(top.lr)}, and this "
        "learning rate is outside."
    )


def _range(band: Band) -> str:
    return f"{format_lr(band.low)} to {format_lr(band.high)}, {band.decades:.1f} decades"


def _test(best: Cell) -> str:
    test = test_accuracy(best)
    if not test.n:
        return "No held-out test score was logged."
    sizes = (training.run.images["test"] for training in best.trainings if "test" in training.run.images)
    images = next(sizes, 0)
    split = f"the held-out test split ({pluralize(images, 'image')})" if images else "the held-out test split"
    return f"On {split} its accuracy is {format_spread(test, format_percent)} (n = {test.n})."
