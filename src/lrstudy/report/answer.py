"""The answer in words: what to use, how sure that is, and what else would do."""

from __future__ import annotations

from dataclasses import dataclass

from lrstudy.formatting import format_loss, format_lr, format_percent, format_with_deviation, join_and, pluralize
from lrstudy.report.cells import Cell, Spread, format_spread
from lrstudy.report.commands import again
from lrstudy.report.comparison import BAND, Comparison, most_accurate


@dataclass(frozen=True)
class Answer:
    """A headline, sentences that say how good and how sure, and the command that trains the chosen one again."""

    headline: str
    sentences: tuple[str, ...]
    command: str | None


def answer(comparison: Comparison) -> Answer:
    """The answer that a group of trainings gives."""
    best = comparison.best
    if best is None:
        return Answer("No learning rate tried can be recommended.", (), None)
    sentences = [_scores(best), *_runner_up(comparison, best), *_ties(comparison), _band(comparison, best), _test(best)]
    headline = f"Use {best.optimizer} with a learning rate of {format_lr(best.lr)}"
    return Answer(headline, tuple(filter(None, sentences)), again(best.trainings[0]))


def test_accuracy(cell: Cell) -> Spread:
    """Of a cell's trainings, on the held-out test part."""
    return Spread.of(one.test_accuracy for one in cell.trainings)


def _scores(best: Cell) -> str:
    text = f"Its best validation loss is {format_spread(best.loss, format_loss)}"
    if best.accuracy.n:
        text += f", its validation accuracy {format_spread(best.accuracy, format_percent)}"
    return f"{text} ({_n(best.n)})."


def _n(seeds: int) -> str:
    return f"mean ± standard deviation over n = {seeds} seeds" if seeds > 1 else "n = 1 seed"


def _runner_up(comparison: Comparison, best: Cell) -> list[str]:
    second = comparison.runner_up
    if second is None:
        return ["There is no other to compare it with."]
    return [_compared("The runner-up", comparison, second), *_other_optimizer(comparison, best, second)]


def _other_optimizer(comparison: Comparison, best: Cell, second: Cell) -> list[str]:
    """The best cell of another optimizer, if the runner-up is not it."""
    other = next((cell for cell in comparison.ranking if cell.optimizer != best.optimizer), None)
    return [_compared("The best of another optimizer", comparison, other)] if other and other is not second else []


def _compared(what: str, comparison: Comparison, cell: Cell) -> str:
    difference = comparison.difference(cell)
    name = f"{what}, {cell.optimizer} with {format_lr(cell.lr)}"
    if difference.n < 2:
        noise = "with one seed (n = 1), whether that is noise cannot be told"
        return f"{name}, has a loss higher by {format_loss(difference.mean)}; {noise}."
    higher = format_with_deviation(difference.mean, difference.margin, format_loss)
    seeds = f"n = {difference.n} seeds{' in pairs' if difference.paired else ' each'}"
    sure = f"{higher} (95%, {seeds})"
    if difference.is_noise:
        doubt = (
            "" if comparison.tied(cell) else ", but its accuracy is lower by more than a point: more seeds would tell"
        )
        return f"{name}, is within seed noise: its loss is higher by {sure}{doubt}."
    return f"{name}, is worse by more than seed noise: its loss is higher by {sure}."


def _ties(comparison: Comparison) -> list[str]:
    tied = [cell for cell in comparison.ranking[2:] if comparison.tied(cell)]
    if not tied:
        return []
    return [f"Also within seed noise: {join_and([cell.name for cell in tied[:6]], len(tied))}."]


def _band(comparison: Comparison, best: Cell) -> str:
    band = comparison.of(best.optimizer).band
    if band is None:
        return ""
    point = f"{100 * BAND:g} percentage point"
    if not band.low <= best.lr <= band.high:
        return _by_accuracy(comparison, best, f"{point} of it")
    if len(comparison.group.of(best.optimizer)) == 1:
        return f"No other learning rate was tried for {best.optimizer}: how wide its usable band is, is not known."
    if band.points == 1:
        return (
            f"No other learning rate tried for {best.optimizer} is within {point} of its best validation accuracy: "
            f"its usable band is narrower than the steps{', or with one seed this is chance' * (best.n == 1)}."
        )
    return (
        f"The usable band of {best.optimizer} is {format_lr(band.low)} to {format_lr(band.high)}, {band.decades:.1f} decades: "
        f"all {band.points} learning rates tried there are within {point} of its best validation accuracy."
    )


def _by_accuracy(comparison: Comparison, best: Cell, point: str) -> str:
    """Of a best that is not among its optimizer's most accurate cells."""
    top, band = most_accurate(comparison.group.of(best.optimizer)), comparison.of(best.optimizer).band
    assert top is not None  # noqa: S101 - for the types
    assert band is not None  # noqa: S101
    others = (
        f"{format_lr(band.low)} to {format_lr(band.high)}, {band.decades:.1f} decades"
        if band.points > 1
        else format_lr(top.lr)
    )
    return (
        f"By accuracy {best.optimizer} is better with {format_lr(top.lr)} ({format_spread(top.accuracy, format_percent)}), though its "
        f"loss is higher: the usable band, within {point}, is {others}, and this learning rate is outside."
    )


def _test(best: Cell) -> str:
    test = test_accuracy(best)
    if not test.n:
        return "There is no held-out test score."
    images = next((one.run.images["test"] for one in best.trainings if "test" in one.run.images), 0)
    part = f"the held-out test part ({pluralize(images, 'image')})" if images else "the held-out test part"
    return f"On {part} its accuracy is {format_spread(test, format_percent)} (n = {test.n})."
