"""Warnings on the number of seeds."""

from __future__ import annotations

from collections.abc import Iterator

from lrstudy.formatting import pluralize
from lrstudy.report.comparison import Comparison
from lrstudy.report.next_step import command_with_seeds
from lrstudy.report.runs import Run
from lrstudy.report.warnings.warning import ReportWarning
from lrstudy.server_names import DECISION, KIND
from lrstudy.statistics.race import MIN_SEEDS


def few_seeds(comparison: Comparison, study: Run | None) -> Iterator[ReportWarning]:
    """Warn if all cells have one seed, or the best cell has fewer seeds than others and the answer is open.

    A decision gives each cell the seeds that its answer needs.
    """
    if not comparison.best or (study and study.tags.get(KIND) == DECISION):
        return
    counts = {cell.n for cell in comparison.ranking}
    command = command_with_seeds(comparison, study, max(MIN_SEEDS, *counts))
    if counts == {1}:
        text = "Each cell was trained with one seed only, so differences between cells may be chance."
        yield ReportWarning("one_seed", text, command)
    elif comparison.best.n < max(counts) and not comparison.answer.is_sure:
        text = f"The best cell has {pluralize(comparison.best.n, 'seed')}, others have {max(counts)}."
        yield ReportWarning("fewer_seeds", text, command)
