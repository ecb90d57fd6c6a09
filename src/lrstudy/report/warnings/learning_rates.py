"""Warnings on the range of learning rates: all diverged, or the best is at its edge or may be due to chance."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrstudy.formatting import format_loss, format_lr, join_and, join_or
from lrstudy.report.commands import FINALISTS, grid_command
from lrstudy.report.comparison import Comparison
from lrstudy.report.optimizer_summary import Open, OptimizerSummary
from lrstudy.report.runs import Run
from lrstudy.report.warnings.range_commands import command_below, command_beyond, unsampled_ends
from lrstudy.report.warnings.warning import ReportWarning

# Learning rates fewer than this many decades apart should be about equally good.
NEAR = 0.25


def nothing_to_recommend(comparison: Comparison, study: Run | None) -> Iterator[ReportWarning]:
    """Warn if no training has finished, or all of them diverged."""
    if not comparison.group.cells:
        text = "No training has finished with a validation loss, so there is nothing to compare."
        yield ReportWarning("nothing_finished", text)
    elif not comparison.trained:
        lowest = min(cell.lr for cell in comparison.group.cells)
        text = (
            f"Every training diverged, those with the lowest learning rate ({format_lr(lowest)}) included; "
            "try lower ones."
        )
        yield ReportWarning("all_diverged", text, command_below(comparison.group, study, lowest))


def not_bracketed(comparison: Comparison, study: Run | None) -> Iterator[ReportWarning]:
    """Warn if a best learning rate has no worse one at half a decade's distance on a side; one warning per command."""
    sentences: dict[str | None, list[str]] = {}
    for summary in comparison.summaries:
        if summary.best and not summary.bracketed:
            best = format_lr(summary.best.lr)
            sentence = f"{summary.optimizer} is not bracketed: its best learning rate, {best}, {_missing(summary)}."
            unsampled = _unsampled(study, summary)
            command = command_beyond(comparison.group, study, summary)
            sentences.setdefault(command, []).append(" ".join([sentence, *unsampled]))
    for command, of_command in sentences.items():
        ranks = "its rank is" if len(of_command) == 1 else "their ranks are"
        text = " ".join([*of_command, f"A better one may lie there, so {ranks} not settled."])
        yield ReportWarning("not_bracketed", text, command)


def _missing(summary: OptimizerSummary) -> str:
    """Return the missing neighbours of a best learning rate, as a predicate."""
    low, high = summary.open_low, summary.open_high
    if low is high is Open.EDGE:
        return "is the only one tried"
    ends = {"lowest": low, "highest": high}
    edges = [f"is the {end} tried" for end, is_open in ends.items() if is_open is Open.EDGE]
    gaps = [side for side, is_open in (("below", low), ("above", high)) if is_open is Open.GAP]
    return join_and([*edges, *([f"has none within half a decade {join_or(gaps)} it"] if gaps else [])])


def _unsampled(study: Run | None, summary: OptimizerSummary) -> list[str]:
    """Return a sentence for each end of a search's range that it left unsampled beside the best learning rate."""
    return [
        f"The search allowed {'down' if name == 'low' else 'up'} to {format_lr(limit)} but tried nothing "
        f"{'below' if name == 'low' else 'above'} it."
        for name, limit in unsampled_ends(study, summary).items()
    ]


def best_by_chance(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Warn if, with one seed, a nearby learning rate is further from the best cell than the runner-up is."""
    best, second = comparison.best, comparison.runner_up
    if best is None or second is None or best.n > 1:
        return
    others = [cell for cell in comparison.group.of(best.optimizer) if cell is not best]
    nearest = min(others, key=lambda cell: abs(math.log10(cell.lr / best.lr)), default=None)
    if nearest is None or abs(math.log10(nearest.lr / best.lr)) > NEAR or nearest is second:
        return
    lead = second.loss.mean - best.loss.mean
    if nearest.diverged or nearest.loss.mean - best.loss.mean > lead:
        outcome = "diverged" if nearest.diverged else f"has a loss of {format_loss(nearest.loss.mean)}"
        yield ReportWarning(
            "by_chance",
            f"The best cell may be the best by chance: nearly the same learning rate, {format_lr(nearest.lr)}, "
            f"{outcome}, further from the best loss of {format_loss(best.loss.mean)} than the runner-up's.",
            grid_command(comparison.group, comparison.ranking[:FINALISTS], seeds="3"),
        )
