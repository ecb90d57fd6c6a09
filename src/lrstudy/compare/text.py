"""The answer of a table of trainings as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lrstudy.formatting import NOTHING, format_loss, format_lr, join_and, pluralize
from lrstudy.statistics import Answer, CellSummary, Outcomes, evidence, headline, share, summarize_cells
from lrstudy.statistics.answer_data import untried

POPULATION = "All this is about new seeds on the same images; other images may give another answer."


def describe_answer(outcomes: Outcomes, answer: Answer, rows: int) -> str:
    """Return a table of the cells, the answer and the evidence.

    Args:
        outcomes: of the trainings.
        answer: found from them.
        rows: of the table; those without an outcome were left out.
    """
    left_out = rows - len(outcomes.rows)
    remark = f"{pluralize(left_out, 'row')} left out: a training that was pruned or has not finished, or a study's run."
    return "\n".join(
        [
            *_aligned([_titles(answer), *map(_row, summarize_cells(outcomes, answer))]),
            *([remark] if left_out else []),
            "",
            f"{headline(answer)}.",
            *evidence(answer),
            *_untried(outcomes, answer),
            POPULATION,
        ]
    )


def _untried(outcomes: Outcomes, answer: Answer) -> list[str]:
    cells = [cell.name for cell in untried(outcomes, answer)]
    return [f"Not tried, half a decade beside the best: {join_and(cells)}."] if cells else []


def _titles(answer: Answer) -> list[str]:
    interval = f"{share(answer.confidence)} interval"
    return ["rank", "optimizer", "lr", "seeds", "val loss", "difference", interval, "status"]


def _row(cell: CellSummary) -> list[str]:
    seeds = f"{cell.seeds} ({cell.failures} failed)" if cell.failures else f"{cell.seeds}"
    known = math.isfinite(cell.difference_low) and math.isfinite(cell.difference_high)
    return [
        str(cell.rank or NOTHING),
        cell.optimizer,
        format_lr(cell.lr),
        seeds,
        format_loss(cell.val_loss),
        _signed(cell.difference),
        f"{_signed(cell.difference_low)} to {_signed(cell.difference_high)}" if known else NOTHING,
        cell.status,
    ]


def _signed(difference: float) -> str:
    """Format a difference as a share of the loss: `+6.5%`."""
    if math.isnan(difference):
        return NOTHING
    return f"{difference:+.1%}" if abs(difference) < 1 else f"{difference:+.0%}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with the cells of each column below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
