"""Calls to a tracking server: one small record per kind of call, which can be stored as a line of JSON.

A run or a model that the server has not created yet has a local id; see `local_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any
from uuid import uuid4

LOCAL = "lrstudy-unsent-"
# https://mlflow.org/docs/latest/api_reference/rest-api.html#log-batch
MAX_ITEMS_PER_CALL, MAX_NAMES_PER_CALL = 1000, 100


@dataclass(frozen=True)
class CreateRun:
    """Create a run that started `start` ms after 1970; `run` is its local id."""

    run: str
    experiment: str
    name: str
    tags: Mapping[str, str]
    start: int


@dataclass(frozen=True)
class DeleteDuplicateRuns:
    """Delete the other runs that the creation of `run` has left: the answer to a try can be lost, or come too late.

    They started in the same millisecond and have the same tags, which name the process.
    """

    run: str
    experiment: str
    tags: Mapping[str, str]
    start: int


@dataclass(frozen=True)
class Log:
    """Log parameters and tags of a run, and points of its curves: name, value, time in ms, step.

    A point that the server has already is not logged twice.
    """

    run: str
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[tuple[str, float, int, int]] = ()

    @property
    def has_only_points(self) -> bool:
        """True if it has neither parameters nor tags: points can wait a moment for others."""
        return not self.params and not self.tags

    def merged_with(self, later: Log) -> Log | None:
        """Return this call and a later one as one; None if that is too large, or changes a parameter."""
        params, tags = {**later.params, **self.params}, {**self.tags, **later.tags}
        points = [*self.points, *later.points]
        if any(params[name] != value for name, value in later.params.items()):  # the server rejects the later call
            return None
        items = len(params) + len(tags) + len(points)
        if max(len(params), len(tags)) > MAX_NAMES_PER_CALL or items > MAX_ITEMS_PER_CALL:
            return None
        return Log(self.run, params, tags, points)


@dataclass(frozen=True)
class DeleteTag:
    """Delete a tag of a run, if it exists."""

    run: str
    key: str


@dataclass(frozen=True)
class LogInputs:
    """Log a run's data sets: the fields of MLflow's `Dataset`, and the name of the split."""

    run: str
    datasets: Sequence[tuple[Mapping[str, str], str]]


@dataclass(frozen=True)
class LogFiles:
    """Log the content of `folder` as artifacts of a run; local ids in the files become the server's."""

    run: str
    folder: str


@dataclass(frozen=True)
class SetStatus:
    """Set a run's status, and its end time in ms if it has ended."""

    run: str
    status: str
    end: int | None


@dataclass(frozen=True)
class CreateModel:
    """Create a logged model of a run; `model` is its local id, `location` that of the folder of its files."""

    run: str
    model: str
    location: str
    name: str = "model"  # as in journals of earlier versions


@dataclass(frozen=True)
class LogModel:
    """Log the content of `folder` as files of a logged model of a run; local ids in the files become the server's."""

    model: str
    folder: str
    run: str = ""  # empty in journals of earlier versions


@dataclass(frozen=True)
class LinkMetrics:
    """Link metrics of a run to its logged model and to data sets: of each its name, its digest, the metrics' names."""

    model: str
    datasets: Sequence[tuple[str, str, Sequence[str]]]
    run: str


@dataclass(frozen=True)
class EndModel:
    """Set the final status of a logged model of a run: `READY` or `FAILED`."""

    model: str
    status: str
    run: str = ""


@dataclass(frozen=True)
class LinkCheckpoint:
    """Link the checkpoint that a training writes under its run's local id to the server's id, `run`.

    `unsent` is the local id without its prefix, so that it is not replaced by the server's.
    """

    run: str
    unsent: str


@dataclass(frozen=True)
class RemoveCheckpoint:
    """Remove a run's checkpoint from this machine: the server has all earlier calls."""

    run: str


Call = (
    CreateRun
    | DeleteDuplicateRuns
    | Log
    | DeleteTag
    | LogInputs
    | LogFiles
    | SetStatus
    | CreateModel
    | LogModel
    | LinkMetrics
    | EndModel
    | LinkCheckpoint
    | RemoveCheckpoint
)
CALL_TYPES: Mapping[str, Any] = {kind.__name__: kind for kind in Call.__args__}
# Names in journals that earlier versions wrote.
FORMER_NAMES = {"DiscardTwins": "DeleteDuplicateRuns"}


def local_id() -> str:
    """Return a unique id for a run or a model that the server has not created yet."""
    return f"{LOCAL}{uuid4().hex}"


def run_of(call: Call) -> str:
    """Return the id of a call's run; in journals of earlier versions, that of its model."""
    return call.run or getattr(call, "model", "")


def waits_for_files(call: Call) -> bool:
    """Return True if a call must wait for files of its run that cannot be stored yet.

    A run becomes FINISHED, and a model READY, only with its files.
    """
    if isinstance(call, SetStatus | EndModel):
        return call.status in ("FINISHED", "READY")
    return isinstance(call, LogFiles | LogModel | RemoveCheckpoint)


def to_json(call: Call) -> str:
    """Return a call as a line of JSON."""
    return json.dumps({"call": type(call).__name__, **vars(call)})


def from_json(line: Mapping[str, Any]) -> Call:
    """Return the call of a parsed line that `to_json` made.

    Raises:
        KeyError, TypeError: it is not a call.
    """
    fields = dict(line)
    name = fields.pop("call")
    call: Call = CALL_TYPES[FORMER_NAMES.get(name, name)](**fields)
    return call


def with_server_ids(call: Call, server_ids: Mapping[str, str]) -> Call:
    """Return `call` with the server's ids in place of the local ones."""
    text = to_json(call)
    if LOCAL not in text:
        return call
    for local, server_id in server_ids.items():
        text = text.replace(local, json.dumps(server_id)[1:-1])
    return from_json(json.loads(text))


def next_batch(calls: Iterable[Call]) -> tuple[list[Call], int]:
    """Return the calls to send next, and how many of `calls` they stand for: successive log calls are merged."""
    log_calls = [call for call in takewhile(lambda call: isinstance(call, Log), _first(calls)) if isinstance(call, Log)]
    if not log_calls:
        return [next(iter(calls))], 1
    batch: list[Log] = []
    latest: dict[str, int] = {}  # the index in `batch` of each run's latest call
    for call in log_calls:
        index = latest.get(call.run)
        if index is not None and (merged := batch[index].merged_with(call)):
            batch[index] = merged
        else:
            latest[call.run] = len(batch)
            batch.append(call)
    return list(batch), len(log_calls)


def _first(calls: Iterable[Call]) -> Iterable[Call]:
    """Yield the first of `calls`, as many as one request may stand for."""
    return (call for call, _ in zip(calls, range(MAX_ITEMS_PER_CALL), strict=False))
