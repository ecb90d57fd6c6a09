"""Outcomes of trainings from the columns of a table: a CSV file's, a dictionary's, or a pandas DataFrame's."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Protocol

from lrstudy.errors import TableError
from lrstudy.formatting import join_and, quote, setting_error
from lrstudy.statistics.mlflow_columns import finished_trainings, is_mlflow_export
from lrstudy.statistics.outcomes import Outcome, Outcomes

REQUIRED = ("optimizer", "lr", "seed", "val_loss")
OPTIONAL = ("val_accuracy", "test_accuracy", "verdict")
# Texts of a value that is unknown, in lower case.
MISSING = ("", "nan", "na", "n/a", "<na>", "null", "none", "nat")
# An error names this many columns.
MAX_NAMES = 8
# A training with this verdict was stopped before its end: its loss cannot be compared with others'.
PRUNED = "pruned"
# Other names of a column, in lower case and without anything but letters and digits.
SYNONYMS = {
    "optimizer": ("optimiser", "optim", "opt", "algorithm"),
    "lr": ("learningrate", "rate", "baselr", "eta"),
    "seed": ("randomseed", "randomstate", "run", "repeat", "repetition", "replicate"),
    "val_loss": ("validationloss", "validloss", "evalloss", "devloss", "bestvalloss", "loss"),
}


class Columns(Protocol):
    """A table as a mapping from the names of its columns to their values, as dictionaries and DataFrames are."""

    def __iter__(self) -> Iterator[str]: ...

    def __getitem__(self, name: str, /) -> Iterable[object]: ...


def from_columns(columns: Columns, row_numbers: Sequence[int] | None = None) -> Outcomes:
    """Return the outcomes of a table's trainings.

    Args:
        columns: with the names of `Outcome`'s fields, of which `optimizer`, `lr`, `seed` and `val_loss` are required;
            or with those of MLflow's exports, whose runs of studies and unfinished runs are left out. Trainings that
            were pruned are left out too. An unknown or infinite loss is that of a failed training.
        row_numbers: of the rows, for errors; by default from 0.

    Raises:
        TableError: a column is missing, a value is invalid, a training is duplicated, or there is one cell only.
    """
    texts = {name: [_text(value) for value in columns[name]] for name in columns}
    count = max(map(len, texts.values()), default=0)
    if any(len(column) != count for column in texts.values()):
        raise TableError("has columns of different lengths.")
    numbers = range(count) if row_numbers is None else row_numbers
    rows = {number: {name: texts[name][place] for name in texts} for place, number in enumerate(numbers)}
    if is_mlflow_export(texts):
        rows = finished_trainings(rows)
    elif missing := [name for name in REQUIRED if name not in texts]:
        raise TableError(_missing_columns(missing, list(texts)))
    outcomes = {number: _outcome(number, row) for number, row in rows.items()}
    outcomes = {number: outcome for number, outcome in outcomes.items() if outcome.verdict != PRUNED}
    _check_duplicates(outcomes, rows)
    return _checked(Outcomes(outcomes.values()))


def _checked(outcomes: Outcomes) -> Outcomes:
    if not outcomes.rows:
        raise TableError("has no training that has finished.")
    if len(outcomes.cells) == 1:
        raise TableError(f"has trainings of {outcomes.cells[0].name} only, and nothing to compare them with.")
    return outcomes


def _text(value: object) -> str:
    """Return a value as text, empty if it is unknown."""
    text = str(value).strip()
    return "" if text.lower() in MISSING else text


def _missing_columns(missing: Sequence[str], names: Sequence[str]) -> str:
    nouns = "column" if len(missing) == 1 else "columns"
    similar = {name: _similar(name, names) for name in missing}
    renames = [f"{quote(other)} to {quote(name)}" for name, other in similar.items() if other]
    listed = [quote(name) for name in names[:MAX_NAMES]] or ["none"]
    hint = f"rename {join_and(renames)}" if renames else f"it has {join_and(listed, len(names))}"
    return f"lacks the {nouns} {join_and([quote(name) for name in missing])}; {hint}."


def _similar(name: str, names: Sequence[str]) -> str | None:
    """Return the column that may be meant by the required column `name`."""
    by_key = {re.sub(r"[^a-z0-9]", "", other.lower()): other for other in names if other not in (*REQUIRED, *OPTIONAL)}
    for key in (name.replace("_", ""), *SYNONYMS[name]):
        if matches := get_close_matches(key, by_key, n=1, cutoff=0.85):
            return by_key[matches[0]]
    return None


def _outcome(number: int, row: Mapping[str, str]) -> Outcome:
    try:
        return Outcome(
            _optimizer(row["optimizer"]),
            _positive(row, "lr"),
            _seed(row["seed"]),
            _loss(row),
            _accuracy(row, "val_accuracy"),
            _accuracy(row, "test_accuracy"),
            row.get("verdict", "").lower(),
        )
    except ValueError as error:
        raise TableError(f": row {number}: {error}") from None


def _optimizer(text: str) -> str:
    if not text:
        raise ValueError("optimizer is empty.")
    return text


def _seed(text: str) -> int:
    number = _number("seed", text, "a whole number")
    if not number.is_integer():
        raise ValueError(setting_error("seed", text, "must be a whole number."))
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else int(number)


def _positive(row: Mapping[str, str], name: str) -> float:
    number = _number(name, row[name], "a number greater than 0")
    if not 0 < number < math.inf:
        raise ValueError(setting_error(name, row[name], "must be a number greater than 0."))
    return number


def _loss(row: Mapping[str, str]) -> float:
    """Return a loss, NaN if it is unknown."""
    text = row["val_loss"]
    number = _number("val_loss", text, "a number") if text else math.nan
    if number <= 0:
        reason = (
            "must be greater than 0, since losses are compared by their ratios; leave it empty if the training failed."
        )
        raise ValueError(setting_error("val_loss", text, reason))
    return number


def _accuracy(row: Mapping[str, str], name: str) -> float:
    """Return an accuracy, NaN if it is unknown."""
    text = row.get(name, "")
    number = _number(name, text, "a number from 0 to 1") if text else math.nan
    if number < 0 or number > 1:
        raise ValueError(setting_error(name, text, "must be from 0 to 1."))
    return number


def _number(name: str, text: str, wanted: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    if not text:
        raise ValueError(f"{name} is empty; it must be {wanted}.")
    repaired = re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", text)
    hint = f"must have a decimal point; did you mean {repaired}?" if repaired != text else f"must be {wanted}."
    raise ValueError(setting_error(name, text, hint))


def _check_duplicates(outcomes: Mapping[int, Outcome], rows: Mapping[int, Mapping[str, str]]) -> None:
    first: dict[tuple[str, float, int], int] = {}
    for number, outcome in outcomes.items():
        other = first.setdefault((*outcome.cell, outcome.seed), number)
        if other != number:
            both = f"rows {other} and {number} are both {outcome.cell.name} with seed {outcome.seed}"
            raise TableError(f": {both}; {_cause(rows[other], rows[number])}")


def _cause(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Return the clause on why two rows may have the same optimizer, learning rate and seed."""
    settings = [name for name in one if name not in (*REQUIRED, *OPTIONAL) and not _is_result(name)]
    if different := [name for name in settings if one[name] != other[name]]:
        values = f"{quote(one[different[0]])} and {quote(other[different[0]])}"
        return (
            f"they differ in {different[0]} ({values}): compare trainings that differ in optimizer, lr and seed alone."
        )
    if one["val_loss"] == other["val_loss"]:
        return "is one training there twice?"
    return "do they differ in another setting, or was another seed meant?"


def _is_result(name: str) -> bool:
    """Return whether a column holds a training's results or identity, and not a setting of it."""
    return bool(
        re.search(r"loss|acc|time|date|seconds|epoch$|_id$|^id$|uri|name|duration|^unnamed|^$|status", name.lower())
    )
