"""Group runs that can be compared, and sort each group's runs into the cells of a grid.

A cell is an optimizer with a learning rate; its trainings differ in their seeds alone. Cells hold finished trainings
with a validation loss; running, failed, killed and pruned runs are counted beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from lrstudy.optimizers import DEFAULT_OPTIMIZERS
from lrstudy.report.cells import Cell, Group, Training
from lrstudy.report.preprocessing import name_preprocessing
from lrstudy.report.run_settings import (
    DATA,
    comparable_settings,
    data_names,
    hyperparameters,
    learning_rate,
    naming_parameters,
    normalize,
    number,
    optimizer_label,
    unquote,
    usual_length,
)
from lrstudy.report.runs import LoadedRuns, Run
from lrstudy.server_names import BEST_VAL_LOSS, VERDICT

# Higher learning rates are not numbers that a program has trained with.
MAX_LR = 1e30
MAX_SHOWN = 5


def group_runs(loaded: LoadedRuns) -> tuple[list[Group], list[str]]:
    """Return the groups, the largest first, and sentences on runs and parameters that are in none."""
    usable = [run for run in loaded.trainings if _is_usable(run)]
    unusable = [run for run in loaded.trainings if not _is_usable(run)]
    names, length = naming_parameters(usable), usual_length(usable)
    runs_by_settings: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in usable:
        settings = {name: value for name, value in comparable_settings(run, length).items() if name not in names}
        runs_by_settings.setdefault(tuple(sorted(settings.items())), []).append(run)
    shown = data_names(usable)
    groups = [
        _group({name: shown.get(value, value) if name == DATA else value for name, value in settings}, runs)
        for settings, runs in runs_by_settings.items()
    ]
    groups.sort(key=_most_trainings_first)
    return name_preprocessing(groups), _remarks(names, unusable)


def _is_usable(run: Run) -> bool:
    return 0 < learning_rate(run) < MAX_LR and bool(run.params.get("optimizer"))


def _most_trainings_first(group: Group) -> tuple[int, float]:
    return -sum(cell.n for cell in group.cells), min((cell.loss.mean for cell in group.cells), default=0)


def _remarks(names: set[str], unusable: Sequence[Run]) -> list[str]:
    remarks = []
    if names:
        remarks.append(
            f"Parameters that differ in every run are read as names, not as settings: {', '.join(sorted(names))}."
        )
    if unusable:
        values = ", ".join(run.params.get("lr", "none") for run in unusable[:MAX_SHOWN])
        remarks.append(f"{len(unusable)} runs have no learning rate above 0 that can be read: {values}.")
    return remarks


def _group(settings: Mapping[str, str], runs: Sequence[Run]) -> Group:
    cells: dict[tuple[str, str], dict[str, Training]] = {}
    names = _optimizer_names(runs)
    unranked: dict[str, list[Run]] = {}
    for run in reversed(runs):  # of equal trainings, the latest counts
        reason = _reason_not_ranked(run)
        if not reason:
            seeds = cells.setdefault((names[run.run_id], f"{learning_rate(run):.9g}"), {})
            seed = normalize(run.params["seed"]) if "seed" in run.params else f"run {run.run_id}"
            reason = "repeated" if seed in seeds else ""
            seeds.setdefault(seed, Training(run, seed))
        if reason:
            unranked.setdefault(reason, []).insert(0, run)
    sorted_cells = sorted(
        (_cell(optimizer, seeds) for (optimizer, _), seeds in cells.items()),
        key=lambda cell: (_default_optimizers_first(cell.optimizer), cell.lr),
    )
    return Group(
        settings, tuple(sorted_cells), {reason: tuple(left_out) for reason, left_out in sorted(unranked.items())}
    )


def _reason_not_ranked(run: Run) -> str:
    """Return the reason why a run is in no cell; an empty text if it is in one."""
    if run.status != "FINISHED":
        return run.status.lower()
    if run.tags.get(VERDICT) == "pruned":
        return "pruned"
    return "" if "val_loss" in run.curves or BEST_VAL_LOSS in run.metrics else "no validation loss"


def _optimizer_names(runs: Sequence[Run]) -> dict[str, str]:
    """Return each run's optimizer, by run id, with those hyperparameters that differ between runs of the same label."""
    names = {run.run_id: optimizer_label(run) for run in runs}
    values = {run.run_id: hyperparameters(run) for run in runs}
    runs_per_optimizer = Counter(names.values())
    uses = Counter((names[run_id], *item) for run_id, items in values.items() for item in items.items())

    def distinguishing(run_id: str) -> list[str]:
        name = names[run_id]
        items = values[run_id].items()
        return [f"{key}={value}" for key, value in items if uses[name, key, value] < runs_per_optimizer[name]]

    return {run_id: " ".join([name, *distinguishing(run_id)]) for run_id, name in names.items()}


def _cell(optimizer: str, seeds: Mapping[str, Training]) -> Cell:
    trainings = [seeds[seed] for seed in sorted(seeds, key=lambda seed: (number(seed), seed))]
    typed = unquote(trainings[0].run.params["lr"])
    return Cell(optimizer, learning_rate(trainings[0].run), typed, tuple(trainings))


def _default_optimizers_first(optimizer: str) -> tuple[int, str]:
    name = optimizer.partition(" ")[0]
    known = name in DEFAULT_OPTIMIZERS
    return (DEFAULT_OPTIMIZERS.index(name) if known else len(DEFAULT_OPTIMIZERS), optimizer)
