"""Warnings on trainings that stopped early, failed, or have not run yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

from lrstudy.formatting import join_and, pluralize
from lrstudy.optimizers import DEFAULT_OPTIMIZERS
from lrstudy.report.cells import Cell, Group
from lrstudy.report.commands import extend_command
from lrstudy.report.comparison import Comparison
from lrstudy.report.curve_measures import still_improves
from lrstudy.report.run_settings import learning_rate, normalize, whole_number
from lrstudy.report.runs import Run
from lrstudy.report.warnings.warning import ReportWarning
from lrstudy.server_names import GRID, KIND, SEARCH_STUDY
from lrstudy.verdicts.of_seeds import FAULTS

MAX_NAMED = 6
# An optimizer, and in a grid also the learning rate and the network's shape.
Point = tuple[str, ...]


def stopped_early(comparison: Comparison, study: Run | None) -> Iterator[ReportWarning]:
    """Warn if cells were still improving at their last epoch; name those that may be the best first."""
    ranked = [cell for cell in comparison.ranking if still_improves(cell) and cell.verdict not in FAULTS]
    if not ranked:
        return
    names = join_and([cell.name for cell in ranked[:MAX_NAMED]], len(ranked))
    verb = "was" if len(ranked) == 1 else "were"
    best = ", the best among them," if comparison.best in ranked and len(ranked) > 1 else ""
    epochs = comparison.group.settings.get("epochs", "")
    longer = {"epochs": str(2 * int(epochs))} if epochs.isdigit() else None
    yield ReportWarning(
        "still_improving",
        f"{pluralize(len(ranked), 'cell')}{best} {verb} still improving at the last epoch and may gain from more "
        f"epochs: {names}.{_finalists(comparison, ranked)}",
        extend_command(study, comparison.group, **longer) if longer else None,
    )


def _finalists(comparison: Comparison, improving: Sequence[Cell]) -> str:
    """Return a sentence on the improving cells among those that may be the best, if these are known."""
    if comparison.best is None or comparison.answer.risk_is_unknown:
        return ""
    finalists = [cell for cell in [comparison.best, *comparison.indistinguishable] if cell in improving]
    if not finalists:
        return ""
    names = join_and([cell.name for cell in finalists[:MAX_NAMED]], len(finalists))
    return f" Among those that may be the best: {names}. What trains longer may rank otherwise."


def unfinished_runs(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Warn if runs could not be ranked because they failed, were killed, still run, or lack a validation loss."""
    unranked = comparison.group.unranked.items()
    counts = {reason: len(runs) for reason, runs in unranked if reason not in ("pruned", "repeated")}
    if counts:
        listed = join_and([f"{number} {reason}" for reason, number in counts.items()])
        text = f"{pluralize(sum(counts.values()), 'run')} could not be ranked: {listed}."
        yield ReportWarning("unfinished", text)


def incomplete_study(groups: Sequence[Group], study: Run | None) -> Iterator[ReportWarning]:
    """Warn if a study that did not finish lacks trainings that its own settings plan."""
    if study is None or study.status == "FINISHED":
        return
    planned = _planned_trainings(study)
    finished = Counter(_point(study, run) for group in groups for run in group.finished)
    missing = sum(max(0, trainings - finished[point]) for point, trainings in planned.items())
    if not missing:
        return
    with_results = {point[0] for point in planned if finished[point]}
    without = [name for name in dict.fromkeys(point[0] for point in planned) if name not in with_results]
    state = "is running or was killed" if study.status == "RUNNING" else f"did not finish ({study.status.lower()})"
    total = pluralize(sum(planned.values()), "training")
    text = f"The study {state}: {missing} of its {total} have not finished."
    if without:
        text += f" No training of {join_and(without)} has finished."
    yield ReportWarning("incomplete", text, extend_command(study, groups[0], hidden=study.params["hidden"]))


def _planned_trainings(study: Run) -> dict[Point, int]:
    """Return the number of trainings that a study plans, by their points; empty if it did not log its settings."""
    params = study.params
    if study.tags.get(KIND) == SEARCH_STUDY and {"optimizer", "trials", "hidden"} <= set(params):
        names = DEFAULT_OPTIMIZERS if params["optimizer"] == "all" else (params["optimizer"],)
        return {(name,): whole_number(params["trials"]) for name in names}
    if study.tags.get(KIND) == GRID and {"optimizers", "lrs", "hidden", "seeds"} <= set(params):
        axes = product(params["optimizers"].split(","), params["lrs"].split(","), params["hidden"].split(";"))
        seeds = whole_number(params["seeds"])
        return {(optimizer.strip(), normalize(lr), normalize(hidden)): seeds for optimizer, lr, hidden in axes}
    return {}


def _point(study: Run, run: Run) -> Point:
    optimizer = run.params.get("optimizer", "")
    if study.tags.get(KIND) == SEARCH_STUDY:
        return (optimizer,)
    return optimizer, f"{learning_rate(run):.12g}", normalize(run.params.get("hidden", ""))
