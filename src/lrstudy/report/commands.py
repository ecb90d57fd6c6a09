"""Commands that repeat a training or extend a study, for a reader of the report to run next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lrstudy.formatting import MLFLOW_RUN
from lrstudy.optimizers import has_momentum
from lrstudy.report.cells import Cell, Group, Training
from lrstudy.report.run_settings import OF_OPTIMIZER, OPTIMIZER_ARGS, number, optimizer_name, whole_number
from lrstudy.report.runs import Run
from lrstudy.server_names import CHOSEN, DECISION, GRID, KIND, LARGER_BUDGET, TRAINING

PROJECT = Path(__file__).parents[3] / "MLproject"
MAIN, DEFAULT_EXPERIMENT = "main", "Default"
# This many of the best cells are repeated where a grid of all would be too large, …
FINALISTS = 3
# … as it is with more learning rates than this, which a search has drawn.
MAX_LRS = 12


def rerun_command(training: Training) -> str | None:
    """Return the command that repeats a training; None for a training of another program."""
    if training.run.tags.get(KIND) != TRAINING:
        return None
    return _command(MAIN, _result_settings(training.run), training.run.experiment)


def extend_command(study: Run | None, group: Group, **changed: str) -> str | None:
    """Return the command that runs a group's study again with `changed` settings; None for another program's.

    Finished trainings are not repeated. Without a study, the command is a grid of the group's cells, or of the best
    ones if these are many.
    """
    kind = study.tags.get(KIND, "") if study else ""
    if study and kind in _defaults() and _is_own(group):
        shape = {name: group.settings[name] for name in ("hidden",) if name in group.settings}
        return _command(kind, {**study.params, **shape, **changed}, study.experiment)
    return grid_command(group, _cells_of_a_grid(group), **changed)


def decide_command(study: Run, group: Group, trainings: int) -> str | None:
    """Return the command that continues a decision, with its epochs and batch size, by the budget that it named.

    One that has named none, since it did not end by its budget, continues until so many trainings are done.
    """
    chosen = {name.removeprefix(CHOSEN): value for name, value in study.params.items() if name.startswith(CHOSEN)}
    defaults = _defaults().get(DECISION, {})
    name, _, value = study.tags.get(LARGER_BUDGET, f"trainings={trainings}").partition("=")
    budget = {budget: defaults.get(budget, "") for budget in ("minutes", "trainings")} | {name: value}
    return extend_command(study, group, **chosen, **budget, splits="1")


def _cells_of_a_grid(group: Group) -> Sequence[Cell]:
    """Return the cells of a group, but only the best ones if they have too many learning rates for a grid."""
    trained = [cell for cell in group.cells if not cell.diverged]
    if len({cell.lr for cell in group.cells}) <= MAX_LRS or not trained:
        return group.cells
    return sorted(trained, key=lambda cell: cell.loss.mean)[:FINALISTS]


def grid_command(group: Group, cells: Sequence[Cell], **changed: str) -> str | None:
    """Return the command of a grid over the optimizers, learning rates and seeds of `cells`."""
    if not cells or not _is_own(group):
        return None
    params = [cell.trainings[0].run.params for cell in cells]
    axes = {
        "seed": f"{min(whole_number(training.seed) for cell in cells for training in cell.trainings)}",
        "seeds": f"{max(cell.n for cell in cells)}",
        "optimizers": ",".join(dict.fromkeys(optimizer_name(run["optimizer"]) for run in params)),
        **_optimizer_axes(params),
        OPTIMIZER_ARGS: "|".join(dict.fromkeys(run.get(OPTIMIZER_ARGS, "none") for run in params)),
        "lrs": ",".join(dict.fromkeys(cell.typed for cell in sorted(cells, key=lambda cell: -cell.lr))),
    }
    return _command(GRID, {**_result_settings(group.runs[0]), **axes, **changed}, group.runs[0].experiment)


def _optimizer_axes(params: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the values of the optimizers' settings in trainings, without the momentum 0 of those that take none."""
    values: dict[str, dict[str, None]] = {}
    for run in params:
        for name in OF_OPTIMIZER:
            if name in run and (name != "momentum" or has_momentum(optimizer_name(run["optimizer"]))):
                values.setdefault(name, {})[run[name]] = None
    return {name: ",".join(texts) for name, texts in values.items()}


def _result_settings(run: Run) -> dict[str, str]:
    """Return a training's parameters, without the one that says whether its causes were measured."""
    return {name: value for name, value in run.params.items() if name != "diagnose"}


def _is_own(group: Group) -> bool:
    return all(run.tags.get(KIND) == TRAINING for run in group.runs)


def _command(entry_point: str, params: Mapping[str, str], experiment: str) -> str | None:
    """Return an entry point's command line without parameters at their defaults; None without the project's files.

    It names an experiment that is not MLflow's default: only there are the finished trainings found.
    """
    if not (defaults := _defaults().get(entry_point)):
        return None
    values = {name: params[name] for name in defaults if name in params}
    options = [
        f"-P {shlex.quote(f'{name}={value}')}"
        for name, value in values.items()
        if name in ("optimizer", "lr") or not _equal(value, defaults[name])
    ]
    name = [] if entry_point == MAIN else [f"-e {entry_point}"]
    where = [] if experiment in ("", DEFAULT_EXPERIMENT) else [f"--experiment-name {shlex.quote(experiment)}"]
    return " ".join([MLFLOW_RUN, *where, *name, *options])


def _equal(value: str, default: str) -> bool:
    return value == default or number(value) == number(default)


@cache
def _defaults() -> dict[str, dict[str, str]]:
    """Return the entry points' parameters with their defaults, as `MLproject` declares them; none without that file."""
    if not PROJECT.is_file():
        return {}
    declared: dict[str, Any] = yaml.safe_load(PROJECT.read_text(encoding="utf-8"))["entry_points"]
    return {name: _parameter_defaults(entry_point) for name, entry_point in declared.items()}


def _parameter_defaults(entry_point: dict[str, Any]) -> dict[str, str]:
    parameters = entry_point.get("parameters", {}).items()
    return {name: str(parameter["default"]) for name, parameter in parameters if "default" in parameter}
