"""The state of an answer and its headline: the same in the terminal, the report, and on the tracking server."""

from __future__ import annotations

from enum import StrEnum

from lrstudy.statistics import sentences
from lrstudy.statistics.answer import Answer


class AnswerState(StrEnum):
    """The state of an answer, by its name in `summary.json`; only `RECOMMENDED` is a recommendation."""

    RECOMMENDED = "recommended"
    OPEN = "open"
    NOT_CONVERGED = "not_converged"
    UNFINISHED = "unfinished"
    SINGLE = "single"
    ALL_FAILED = "all_failed"
    NOTHING_LEARNED = "nothing_learned"
    ALL_DIVERGED = "all_diverged"
    NOTHING_FINISHED = "nothing_finished"

    @property
    def best_label(self) -> str:
        """The label of the best cell: `best`, `best so far`, or empty if there is none or no cell learned."""
        if self is AnswerState.RECOMMENDED:
            return "best"
        return "best so far" if self in _BEST_SO_FAR else ""


_BEST_SO_FAR = (AnswerState.OPEN, AnswerState.NOT_CONVERGED, AnswerState.UNFINISHED, AnswerState.SINGLE)


def find_state(
    answer: Answer, *, cells: int, diverged: int, learned: bool, converged: bool, finished: bool = True
) -> AnswerState:
    """Return the state of an answer: of those that apply, the first in this order.

    Args:
        answer: from the outcomes of the cells.
        cells: their number.
        diverged: the number of those with a diverged training.
        learned: whether a cell is better than chance.
        converged: whether the best cell has converged.
        finished: whether the study has.
    """
    rules = (
        (not cells, AnswerState.NOTHING_FINISHED),
        (diverged == cells, AnswerState.ALL_DIVERGED),
        (not learned, AnswerState.NOTHING_LEARNED),
        (answer.best is None, AnswerState.ALL_FAILED),
        (cells == 1, AnswerState.SINGLE),
        (not finished, AnswerState.UNFINISHED),
        (not converged, AnswerState.NOT_CONVERGED),
        (not answer.is_sure, AnswerState.OPEN),
    )
    return next((state for applies, state in rules if applies), AnswerState.RECOMMENDED)


def headline(state: AnswerState, answer: Answer) -> str:
    """Return the answer in one line: a recommendation only in the state `RECOMMENDED`."""
    if state is AnswerState.NOTHING_FINISHED:
        return "No learning rate tried can be recommended: no training has finished"
    if state is AnswerState.NOTHING_LEARNED:
        return "No training learned"
    if answer.best is not None and state in _HEADLINES:
        return _HEADLINES[state].format(sentences.place(answer.best))
    return sentences.headline(answer)


def evidence(state: AnswerState, answer: Answer) -> list[str]:
    """Return sentences on how sure the answer is and on the other cells, if there are cells to compare."""
    compared = bool(state.best_label) or state is AnswerState.ALL_FAILED
    if not compared or state is AnswerState.SINGLE:
        return []
    certainty, *others = sentences.evidence(answer)
    if state is AnswerState.NOT_CONVERGED and answer.is_sure:
        certainty = f"Among trainings of this length: {certainty[0].lower()}{certainty[1:]}"
    return [certainty, *others]


_HEADLINES = {
    AnswerState.SINGLE: "{} is the only training: there is nothing to compare it with",
    AnswerState.UNFINISHED: "{} is the best so far: the study has not finished",
    AnswerState.NOT_CONVERGED: "{} is the best so far, not converged",
}
