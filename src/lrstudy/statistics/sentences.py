"""The answer of a study in words: the same in the terminal, the report, and on the tracking server."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lrstudy.formatting import format_loss, format_lr, format_percent, join_and, pluralize
from lrstudy.statistics.answer import Answer, Certainty
from lrstudy.statistics.band import width
from lrstudy.statistics.comparisons import CellComparison
from lrstudy.statistics.outcomes import Cell
from lrstudy.statistics.preference import Reason
from lrstudy.statistics.race import MIN_SEEDS, allowed_risk, required_delta
from lrstudy.statistics.winner import Estimate

# A list of cells names this many.
MAX_LISTED = 6
# How good the estimates of further trainings are (`lrstudy.statistics.missing_seeds`).
ESTIMATE = "a rough estimate, of which 7 in 10 hold within a factor of 4"
# More seeds than this are not counted.
MAX_SEEDS = 1000


def headline(answer: Answer) -> str:
    """Return the answer in one line: a recommendation only if it is sure."""
    if answer.best is None:
        return "No learning rate tried can be recommended: in each cell a training failed"
    if answer.certainty is Certainty.SURE:
        return f"Use {place(answer.best)}"
    if answer.certainty is Certainty.WITHIN:
        return f"Use {place(answer.best)}, within {share(answer.delta)} of the best"
    return f"Open: {place(answer.best)} is the best so far"


def place(cell: Cell) -> str:
    """Return a cell in words."""
    return f"{cell.optimizer} with a learning rate of {format_lr(cell.lr)}"


def evidence(answer: Answer) -> list[str]:
    """Return sentences on how sure the answer is, and on all other cells."""
    if answer.best is None:
        return [_failed(answer.failed)]
    parts = [
        _certainty(answer),
        _worse(answer),
        _indistinguishable(answer.indistinguishable),
        _failed(answer.failed),
        _preference(answer),
        _winner(answer.winner, answer.confidence),
        _band(answer),
        _settlement(answer),
        _image_limit(answer),
    ]
    return [part for part in parts if part]


def share(value: float) -> str:
    """Format a share of a loss: `5%` or `0.5%`."""
    return f"{100 * value:.2g}%" if value < 1 else f"{100 * value:.0f}%"


def _certainty(answer: Answer) -> str:
    allowed = f"an answer called sure is wrong in at most {share(1 - answer.confidence)} of studies"
    if answer.certainty is Certainty.SURE:
        return f"Sure: no other cell tried is better ({allowed})."
    if answer.certainty is Certainty.WITHIN:
        return f"Sure to {share(answer.delta)}: no other cell tried is better by more ({allowed})."
    if answer.risk_is_unknown:
        return "Open: one seed per cell cannot show what is noise."
    required = required_delta(answer.delta)
    chance = f"the chance that another cell is better by more than {share(required)} is {format_percent(answer.risk)}"
    sure = "a sure answer" if required == answer.delta else f"an answer called sure to {share(answer.delta)}"
    limit = f"{sure} allows {share(allowed_risk(answer.confidence))}, since chance has an opportunity at each look"
    if not answer.contenders:
        return f"Open: a sure answer takes at least {MIN_SEEDS} seeds; {chance} so far."
    return f"Open: {chance}, most likely {_list(answer.contenders)}; {limit}."


def _worse(answer: Answer) -> str:
    if not answer.worse:
        return ""
    cells = [comparison.cell for comparison in answer.worse]
    together = f"with {share(answer.confidence)} confidence for all of them together"
    return f"Surely worse, {together}: {_list(cells)}."


def _indistinguishable(comparisons: Sequence[CellComparison]) -> str:
    known = [each for each in comparisons if math.isfinite(each.high)]
    if not known:
        return ""
    named = [f"{each.cell.name} ({_at_most(each.high)})" for each in known[:MAX_LISTED]]
    return f"Not distinguishable from it: {join_and(named, len(known))}."


def _at_most(high: float) -> str:
    """Return the upper end of a difference in words; beyond twice the loss its digits mean nothing."""
    return f"up to {share(high)} worse" if high < 1 else "its loss may be more than twice as high"


def _failed(cells: Sequence[Cell]) -> str:
    return f"Not recommended, since a training diverged or collapsed: {_list(cells)}." if cells else ""


def _winner(winner: Estimate | None, confidence: float) -> str:
    if winner is None:
        return ""
    interval = f"{share(confidence)}: {format_loss(winner.low)} to {format_loss(winner.high)}"
    test = (
        "" if math.isnan(winner.test_accuracy) else f", and a test accuracy of {format_percent(winner.test_accuracy)}"
    )
    return (
        f"Expect a validation loss of {format_loss(winner.loss)} with new seeds ({interval}){test}: corrected, since "
        f"the lowest of several means, {format_loss(winner.observed)}, is low by luck as well."
    )


def _preference(answer: Answer) -> str:
    preference = answer.preference
    if preference is None or answer.best is None:
        return ""
    first, second = preference.preferred, preference.others[0]
    others = [tie.cell for tie in (first, *preference.others) if tie.cell != answer.best]
    if preference.reason is Reason.BAND:
        why = f"the widest usable band, {first.decades:.1f} decades (next, {second.cell.name}: {second.decades:.1f})"
    else:
        next_one = f"next, {second.cell.name}: {share(second.deviation)}"
        why = f"the losses that vary least over seeds, by {share(first.deviation)} ({next_one})"
    within = f"Surely within {share(answer.delta)} of the best as well: {_list(others)}."
    return (
        f"{within} Of them all, {first.cell.name} has {why}: a reason to prefer it, but no evidence that it is better."
    )


def _band(answer: Answer) -> str:
    if answer.best is None or not answer.band:
        return ""
    if len(answer.band) == 1:
        others = any(cell.optimizer == answer.best.optimizer for cell in (*_compared(answer), *answer.failed))
        narrow = f"the learning rates beside it are surely worse by more than {share(answer.delta)}, or failed"
        return f"The usable band of {answer.best.optimizer} is narrower than the steps: {narrow}." * others
    low, high = answer.band[0].lr, answer.band[-1].lr
    return (
        f"The usable band of {answer.best.optimizer} is {format_lr(low)} to {format_lr(high)}, "
        f"{width(answer.band):.1f} decades: no learning rate tried there is surely worse by more than "
        f"{share(answer.delta)}."
    )


def _compared(answer: Answer) -> list[Cell]:
    return [comparison.cell for comparison in answer.comparisons]


def _settlement(answer: Answer) -> str:
    if answer.is_sure or answer.best is None or not math.isfinite(answer.missing_seeds):
        return ""
    cells = _list([answer.best, *answer.contenders])
    if answer.missing_seeds > MAX_SEEDS:
        return f"More than {MAX_SEEDS:,} more seeds of {cells} would be needed to settle it."
    seeds = pluralize(_round(answer.missing_seeds), "more seed")
    return f"About {seeds} of {cells} would settle it: {ESTIMATE}."


def _image_limit(answer: Answer) -> str:
    limit = answer.image_limit
    if limit is None:
        return ""
    between = f"between {_signed(limit.low)} and {_signed(limit.high)} than that of the recommended cell"
    images = pluralize(limit.images, "validation image")
    text = f"With new images as well as new seeds, the loss of {limit.rival.name} is {between} ({images})"
    if limit.seeds_suffice:
        return f"{text}; more seeds would narrow that."
    if not math.isfinite(limit.images_needed):
        return f"{text}; more seeds will not settle this, and more images alone will not either."
    needed = f"about {_round(limit.images_needed):,} would narrow it to {share(answer.delta)} on either side"
    return f"{text}: more seeds will not settle this, more images would, {needed}."


def _signed(value: float) -> str:
    if value >= 1:  # beyond twice the loss its digits mean nothing
        return "more than 100% higher"
    return f"{share(abs(value))} {'higher' if value >= 0 else 'lower'}"


def _round(number: float) -> int:
    """Round a number to two digits."""
    return int(float(f"{number:.2g}"))


def _list(cells: Sequence[Cell]) -> str:
    return join_and([cell.name for cell in cells[:MAX_LISTED]], len(cells))
