"""Commands that train again, or train more: what a reader of the report types next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lrstudy.report.cells import Cell, Group, Training, number, whole
from lrstudy.report.runs import Run
from lrstudy.server_names import KIND

PROJECT = Path(__file__).parents[3] / "MLproject"
MLFLOW_RUN = "mlflow run . --env-manager uv"


def again(training: Training) -> str | None:
    """The command that trains it again; None for a training of another program."""
    if training.run.tags.get(KIND) != "train":
        return None
    return _command("main", training.run.params)


def more(study: Run | None, group: Group, **changed: str) -> str | None:
    """The command that runs a group's grid or search again with some settings `changed`; None for another program's.

    What has been trained is not trained again. Without a study it is a grid of the trainings that there are.
    """
    kind = study.tags.get(KIND, "") if study else ""
    if study and kind in _defaults() and _ours(group):
        own = {name: group.settings[name] for name in ("hidden",) if name in group.settings}
        return _command(kind, {**study.params, **own, **changed})
    return grid_of(group, group.cells, **changed)


def grid_of(group: Group, cells: Sequence[Cell], **changed: str) -> str | None:
    """The command of a grid over the optimizers, learning rates and seeds of some of a group's cells."""
    if not cells or not _ours(group):
        return None
    axes = {
        "seed": f"{min(whole(one.seed) for cell in cells for one in cell.trainings)}",
        "seeds": f"{max(cell.n for cell in cells)}",
        "optimizers": ",".join(dict.fromkeys(cell.optimizer for cell in cells)),
        "lrs": ",".join(dict.fromkeys(cell.typed for cell in sorted(cells, key=lambda cell: -cell.lr))),
    }
    return _command("grid", {**group.runs[0].params, **axes, **changed})


def _ours(group: Group) -> bool:
    return all(run.tags.get(KIND) == "train" for run in group.runs)


def _command(entry_point: str, params: Mapping[str, str]) -> str | None:
    """The command line of an entry point, without the parameters that are its defaults; None away from the project."""
    if not (defaults := _defaults().get(entry_point)):
        return None
    given = [
        f"-P {shlex.quote(f'{name}={value}')}"
        for name, value in ((name, params[name].strip("'\"")) for name in defaults if name in params)
        if name in ("optimizer", "lr") or not _equal(value, defaults[name])
    ]
    name = [] if entry_point == "main" else [f"-e {entry_point}"]
    return " ".join([MLFLOW_RUN, *name, *given])


def _equal(one: str, other: str) -> bool:
    return one == other or number(one) == number(other)


@cache
def _defaults() -> dict[str, dict[str, str]]:
    """The entry points' parameters with their defaults, as the project declares them; none without the project."""
    if not PROJECT.is_file():
        return {}
    declared: dict[str, Any] = yaml.safe_load(PROJECT.read_text(encoding="utf-8"))["entry_points"]
    return {
        entry_point: {name: str(one["default"]) for name, one in it.get("parameters", {}).items() if "default" in one}
        for entry_point, it in declared.items()
    }
