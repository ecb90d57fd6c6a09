"""Advice for a group without a recommendation: the first change to make, with its command."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lrstudy.answer.advice import (
    LR_STEP,
    TrainingLength,
    learning_advice,
    longer_training_advice,
    lower_lrs,
    lower_lrs_advice,
    wider_lrs,
)
from lrstudy.formatting import format_lr, join_and, pluralize
from lrstudy.report.commands import FINALISTS, decide_command, extend_command, grid_command
from lrstudy.report.comparison import Comparison
from lrstudy.report.run_settings import whole_number
from lrstudy.report.runs import Run
from lrstudy.server_names import DECISION, KIND, SEARCH_STUDY
from lrstudy.statistics.answer import MAX_MISSING_TRAININGS
from lrstudy.statistics.race import MIN_SEEDS
from lrstudy.statistics.sentences import share
from lrstudy.verdicts.of_seeds import FAULTS

MAX_NAMED = 6


@dataclass(frozen=True)
class NextStep:
    """Advice, and the command that follows it."""

    advice: str
    command: str | None


def advise_learning(comparison: Comparison, study: Run | None) -> NextStep:
    """Advise a group in which no training learned: more steps if they are few, else other learning rates."""
    length, lrs = _length(comparison), [cell.lr for cell in comparison.group.cells]
    advice = learning_advice(length, lrs)
    if changed := length.more_steps:
        return NextStep(advice, _extended(comparison, study, changed))
    return NextStep(advice, grid_command(comparison.group, comparison.group.cells, lrs=wider_lrs(lrs)))


def advise_lower(comparison: Comparison, _: Run | None) -> NextStep:
    """Advise a group in which each cell has a training that failed, but some learned: lower learning rates."""
    cells = [cell for cell in comparison.trained if comparison.has_learned(cell)]
    lowest = min(cell.lr for cell in cells)
    tried = [cell.lr for cell in comparison.group.cells]
    command = grid_command(comparison.group, cells, lrs=lower_lrs(lowest, tried))
    return NextStep(lower_lrs_advice(lowest, tried), command)


def advise_seeds(comparison: Comparison, study: Run | None) -> NextStep:
    """Advise a group whose answer is open: more seeds of the best cell and of those that may be better."""
    answer, cells = comparison.answer, [comparison.ranking[0], *comparison.contenders]
    if math.isinf(answer.missing_seeds):
        if study and study.tags.get(KIND) == DECISION:
            twice = 2 * _trained(comparison)
            return NextStep("continue the decision", decide_command(study, comparison.group, twice))
        return NextStep(f"train {MIN_SEEDS} seeds of each cell", command_with_seeds(comparison, study, MIN_SEEDS))
    seeds = min(cell.n for cell in cells) + int(answer.missing_seeds)
    names = join_and([cell.name for cell in cells[:MAX_NAMED]], len(cells))
    if study and study.tags.get(KIND) == DECISION:
        if answer.missing_trainings > MAX_MISSING_TRAININGS:
            more = f"a sure answer to {share(answer.delta)} takes more than {MAX_MISSING_TRAININGS:,} further trainings"
            return NextStep(f"take the best so far, or a larger delta: {more}", None)
        further = int(answer.missing_trainings)
        advice = f"continue the decision: about {pluralize(further, 'further training')} of {names} would settle it"
        return NextStep(advice, decide_command(study, comparison.group, _trained(comparison) + further))
    return NextStep(f"train {seeds} seeds of {names}", grid_command(comparison.group, cells, seeds=f"{seeds}"))


def _trained(comparison: Comparison) -> int:
    return sum(cell.n for cell in comparison.group.cells)


def advise_convergence(comparison: Comparison, study: Run | None) -> NextStep:
    """Advise a group whose best cell has not converged: longer training, or a lower learning rate."""
    best = comparison.ranking[0]
    verdict = comparison.verdict(best)
    if verdict not in FAULTS:
        length = _length(comparison)
        advice = longer_training_advice(length, verdict)
        return NextStep(advice, _extended(comparison, study, length.longer))
    tried = [cell.lr for cell in comparison.group.of(best.optimizer)]
    command = grid_command(comparison.group, [best], lrs=lower_lrs(best.lr, tried))
    return NextStep(lower_lrs_advice(best.lr, tried, verdict), command)


def advise_comparison(comparison: Comparison, _: Run | None) -> NextStep:
    """Advise a group of a single cell: compare it with adjacent learning rates."""
    (cell,) = comparison.group.cells
    lrs = ",".join(format_lr(lr) for lr in (cell.lr * LR_STEP, cell.lr, cell.lr / LR_STEP))
    return NextStep("compare it with learning rates beside it", grid_command(comparison.group, [cell], lrs=lrs))


def advise_resumption(comparison: Comparison, study: Run | None) -> NextStep:
    """Advise a group of an unfinished study: resume it."""
    shapes = {"hidden": study.params["hidden"]} if study and "hidden" in study.params else {}
    command = extend_command(study, comparison.group, **shapes) if study else None
    return NextStep("let the study finish; the same command resumes it", command)


def command_with_seeds(comparison: Comparison, study: Run | None, seeds: int) -> str | None:
    """Return the command that trains as many seeds of each cell, or of a search's best cells."""
    if study and study.tags.get(KIND) == SEARCH_STUDY:
        return grid_command(comparison.group, comparison.ranking[:FINALISTS], seeds=f"{seeds}")
    return extend_command(study, comparison.group, seeds=f"{seeds}")


def _length(comparison: Comparison) -> TrainingLength:
    settings = comparison.group.settings
    images = next((run.images["train"] for run in comparison.group.runs if "train" in run.images), 0)
    return TrainingLength(images, *(whole_number(settings.get(name, "")) for name in ("batch_size", "epochs")))


def _extended(comparison: Comparison, study: Run | None, changed: Mapping[str, int]) -> str | None:
    texts = {name: str(value) for name, value in changed.items()}
    return extend_command(study, comparison.group, **texts)
