"""The state of a group's answer: a recommendation, only the best cell so far, or neither."""

from __future__ import annotations

from enum import StrEnum

from lrstudy.report.cells import Cell
from lrstudy.report.comparison import NOT_JUDGED, Comparison
from lrstudy.report.runs import Run
from lrstudy.server_names import CONVERGED


class AnswerState(StrEnum):
    """The state of an answer, by its name in `summary.json`; only `RECOMMENDED` is a recommendation."""

    RECOMMENDED = "recommended"
    NOT_CONVERGED = "not_converged"
    UNFINISHED = "unfinished"
    SINGLE = "single"
    NOTHING_LEARNED = "nothing_learned"
    ALL_DIVERGED = "all_diverged"
    NOTHING_FINISHED = "nothing_finished"

    @property
    def best_label(self) -> str:
        """The label of the cell with the lowest loss: `best`, `best so far`, or empty if no cell learned."""
        if self is AnswerState.RECOMMENDED:
            return "best"
        so_far = (AnswerState.NOT_CONVERGED, AnswerState.UNFINISHED, AnswerState.SINGLE)
        return "best so far" if self in so_far else ""


def answer_state(comparison: Comparison, study: Run | None) -> AnswerState:
    """Return the state of a group's answer; `study` is the run of the study that it belongs to, if any."""
    if not comparison.group.cells:
        return AnswerState.NOTHING_FINISHED
    if not comparison.ranking:
        return AnswerState.ALL_DIVERGED
    if not any(map(comparison.has_learned, comparison.ranking)):
        return AnswerState.NOTHING_LEARNED
    if len(comparison.group.cells) == 1:
        return AnswerState.SINGLE
    if study and study.status != "FINISHED":
        return AnswerState.UNFINISHED
    return AnswerState.RECOMMENDED if _has_converged(comparison, comparison.ranking[0]) else AnswerState.NOT_CONVERGED


def best_converged(comparison: Comparison) -> Cell | None:
    """Return the best cell of those that learned and converged, if any."""
    learned = filter(comparison.has_learned, comparison.ranking)
    return next((cell for cell in learned if _has_converged(comparison, cell)), None)


def _has_converged(comparison: Comparison, cell: Cell) -> bool:
    return comparison.verdict(cell) in (*CONVERGED, NOT_JUDGED)
