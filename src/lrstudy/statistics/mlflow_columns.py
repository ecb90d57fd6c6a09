"""The columns of MLflow's exports of runs: `mlflow experiments csv`, or a saved `mlflow.search_runs()`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping

from lrstudy.errors import TableError
from lrstudy.formatting import quote

# The columns of this project's runs, by the fields of `Outcome`.
COLUMNS = {
    "optimizer": "params.optimizer",
    "lr": "params.lr",
    "seed": "params.seed",
    "val_loss": "metrics.best/val_loss",
    "val_accuracy": "metrics.best/val_accuracy",
    "test_accuracy": "metrics.test/accuracy",
    "verdict": "tags.lrstudy.verdict",
}
# Parameters that trainings which are compared may differ in, by their beginnings: the optimizer and its settings, the
# seed, and the machine.
VARIED = ("optimizer", "lr", "log10_lr", "seed", "momentum", "weight_decay", "device", "threads")
PARAMETER = "params."

Row = Mapping[str, str]


def is_mlflow_export(names: Collection[str]) -> bool:
    """Return whether columns have the names of MLflow's exports."""
    return COLUMNS["optimizer"] in names


def finished_trainings(rows: Mapping[int, Row]) -> dict[int, dict[str, str]]:
    """Return the trainings that have finished, with the names of `Outcome`'s fields, by the numbers of their rows.

    Runs without an optimizer, a learning rate and a seed are those of studies.

    Raises:
        TableError: the trainings differ in a setting other than optimizer, learning rate and seed.
    """
    trainings = {number: row for number, row in rows.items() if _is_training(row)}
    _check_settings(trainings)
    return {number: _renamed(row) for number, row in trainings.items()}


def _is_training(row: Row) -> bool:
    is_single = all(row.get(COLUMNS[name]) for name in ("optimizer", "lr", "seed"))
    return is_single and row.get("status", "FINISHED") == "FINISHED"


def _check_settings(rows: Mapping[int, Row]) -> None:
    first: dict[str, int] = {}
    for number, row in rows.items():
        for name in filter(_is_fixed, row):
            other = rows[first.setdefault(name, number)]
            if other[name] != row[name]:
                setting = name.removeprefix(PARAMETER)
                raise TableError(
                    f"has trainings that differ in {setting} ({quote(other[name])} and {quote(row[name])}); compare "
                    "those of one study, or remove the column if it does not matter."
                )


def _is_fixed(name: str) -> bool:
    setting = name.removeprefix(PARAMETER)
    return name.startswith(PARAMETER) and not setting.startswith(VARIED)


def _renamed(row: Row) -> dict[str, str]:
    known = {field: row.get(name, "") for field, name in COLUMNS.items()}
    parameters = {name: text for name, text in row.items() if name.startswith(PARAMETER)}
    return parameters | known | {"val_loss": _loss(known["val_loss"])}


def _loss(text: str) -> str:
    """Return a loss as text; MLflow's databases keep infinity as the largest number."""
    return "inf" if text == str(sys.float_info.max) else text
