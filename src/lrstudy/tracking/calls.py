"""What a tracking server is told: one small record for each kind of call, which can wait on disk as a line of JSON.

A run or model that the server has not made yet has a local name; see `local_id`. Calls stand in the order in which
they are to be made.
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
    """Makes a run, which began `start` ms after 1970; `run` is its local name."""

    run: str
    experiment: str
    name: str
    tags: Mapping[str, str]
    start: int


@dataclass(frozen=True)
class DeleteDuplicateRuns:
    """Deletes what other runs the making of `run` has left: the answer to a try can be lost, or come too late.

    They began in the same millisecond and have the same first tags, which name the process.
    """

    run: str
    experiment: str
    tags: Mapping[str, str]
    start: int


@dataclass(frozen=True)
class Log:
    """Logs parameters and tags of a run, and points of its curves: names, values, times in ms, steps.

    A point that is there already is no other.
    """

    run: str
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[tuple[str, float, int, int]] = ()

    @property
    def has_only_points(self) -> bool:
        """Whether it has no more than points, which can wait a moment for others."""
        return not self.params and not self.tags

    def merged_with(self, later: Log) -> Log | None:
        """This and what comes later, in one; None if that is too much, or a parameter changes, which is refused."""
        params, tags = {**later.params, **self.params}, {**self.tags, **later.tags}
        points = [*self.points, *later.points]
        changes = any(params[name] != value for name, value in later.params.items())
        most = max(len(params), len(tags)), len(params) + len(tags) + len(points)
        if changes or most[0] > MAX_NAMES_PER_CALL or most[1] > MAX_ITEMS_PER_CALL:
            return None
        return Log(self.run, params, tags, points)


@dataclass(frozen=True)
class DeleteTag:
    """Deletes a tag of a run, if it is there."""

    run: str
    key: str


@dataclass(frozen=True)
class LogInputs:
    """Logs a run's data sets: what MLflow's `Dataset` is made of, and what each is for."""

    run: str
    datasets: Sequence[tuple[Mapping[str, str], str]]


@dataclass(frozen=True)
class LogFiles:
    """Logs the content of `folder` as a run's artifacts, in which local names become the server's."""

    run: str
    folder: str


@dataclass(frozen=True)
class SetStatus:
    """Sets a run's status, and the time at which it ended, in ms, if it has."""

    run: str
    status: str
    end: int | None


@dataclass(frozen=True)
class CreateModel:
    """Makes a logged model of a run; `model` and `location` are the local names of it and of where its files lie."""

    run: str
    model: str
    location: str


@dataclass(frozen=True)
class LogModel:
    """Logs the content of `folder` as a logged model's files, in which local names become the server's."""

    model: str
    folder: str


@dataclass(frozen=True)
class EndModel:
    """Says whether a logged model is whole: `READY`, or `FAILED`."""

    model: str
    status: str


@dataclass(frozen=True)
class LinkCheckpoint:
    """Makes the checkpoint that a training writes by its run's local name that of `run`, too.

    `unsent` is the local name without its beginning, by which it would become the server's.
    """

    run: str
    unsent: str


@dataclass(frozen=True)
class RemoveCheckpoint:
    """Removes a run's checkpoint from this machine: it was of use until the server had been told what stands before."""

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
    | EndModel
    | LinkCheckpoint
    | RemoveCheckpoint
)
CALL_TYPES: Mapping[str, Any] = {kind.__name__: kind for kind in Call.__args__}
# Names in journals that earlier versions wrote.
FORMER_NAMES = {"DiscardTwins": "DeleteDuplicateRuns"}


def local_id() -> str:
    """A name for what the server has not named yet, which occurs nowhere else."""
    return f"{LOCAL}{uuid4().hex}"


def to_json(call: Call) -> str:
    """A call as a line of JSON."""
    return json.dumps({"call": type(call).__name__, **vars(call)})


def from_json(line: Mapping[str, Any]) -> Call:
    """The call that a line, as `to_json` gave it, holds.

    Raises:
        KeyError, TypeError: it is of no kind of call.
    """
    fields = dict(line)
    name = fields.pop("call")
    call: Call = CALL_TYPES[FORMER_NAMES.get(name, name)](**fields)
    return call


def with_server_ids(call: Call, names: Mapping[str, str]) -> Call:
    """`call` with the server's names where local ones stood."""
    text = to_json(call)
    if LOCAL not in text:
        return call
    for local, name in names.items():
        text = text.replace(local, json.dumps(name)[1:-1])
    return from_json(json.loads(text))


def next_batch(calls: Iterable[Call]) -> tuple[list[Call], int]:
    """The first of `calls`, as they are to be made, and how many that were; what is logged in a row goes together."""
    logged = list(takewhile(lambda call: isinstance(call, Log), _some(calls)))
    if not logged:
        return [next(iter(calls))], 1
    together: list[Call] = []
    places: dict[str, int] = {}
    for call in logged:
        assert isinstance(call, Log)  # noqa: S101 - for the type
        before = together[places[call.run]] if call.run in places else None
        if isinstance(before, Log) and (both := before.merged_with(call)):
            together[places[call.run]] = both
        else:
            places[call.run] = len(together)
            together.append(call)
    return together, len(logged)


def _some(calls: Iterable[Call]) -> Iterable[Call]:
    """As many as may wait for an answer at once."""
    return (call for call, _ in zip(calls, range(MAX_ITEMS_PER_CALL), strict=False))
