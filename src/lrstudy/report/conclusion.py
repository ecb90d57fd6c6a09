"""What a group of trainings shows: a recommendation, or only the best so far, or nothing."""

from __future__ import annotations

from enum import StrEnum

from lrstudy.report.cells import Cell
from lrstudy.report.comparison import NOT_JUDGED, Comparison
from lrstudy.report.runs import Run
from lrstudy.server_names import CONVERGED


class Conclusion(StrEnum):
    """The states of an answer; only the first is a recommendation."""

    RECOMMENDED = "recommended"
    NOT_CONVERGED = "not_converged"
    UNFINISHED = "unfinished"
    SINGLE = "single"
    NOTHING_LEARNED = "nothing_learned"
    ALL_DIVERGED = "all_diverged"
    NOTHING_FINISHED = "nothing_finished"

    @property
    def best(self) -> str:
        """The word for the cell with the lowest loss: `best`, `best so far`, or none where no cell learned."""
        if self is Conclusion.RECOMMENDED:
            return "best"
        so_far = (Conclusion.NOT_CONVERGED, Conclusion.UNFINISHED, Conclusion.SINGLE)
        return "best so far" if self in so_far else ""


def conclude(comparison: Comparison, study: Run | None) -> Conclusion:
    """Return what a group shows, as part of a study if there is one."""
    if not comparison.group.cells:
        return Conclusion.NOTHING_FINISHED
    if not comparison.ranking:
        return Conclusion.ALL_DIVERGED
    learned = [cell for cell in comparison.ranking if comparison.has_learned(cell)]
    if not learned:
        return Conclusion.NOTHING_LEARNED
    if len(comparison.group.cells) == 1:
        return Conclusion.SINGLE
    if study and study.status != "FINISHED":
        return Conclusion.UNFINISHED
    if all(_has_not_converged(comparison, cell) for cell in learned):
        return Conclusion.NOT_CONVERGED
    return Conclusion.RECOMMENDED


def _has_not_converged(comparison: Comparison, cell: Cell) -> bool:
    return comparison.verdict(cell) not in (*CONVERGED, NOT_JUDGED)
