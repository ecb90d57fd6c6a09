"""Runs as the report sees them: parameters, final metrics, tags and curves of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric's history: `steps` in ascending order and float64 `values`, the last logged one of each step.

    The steps are epochs, int64; for a run that was logged per batch they are fractions of epochs, float64.
    """

    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Run:
    """A run on the server; `images` are the sizes of its data splits, where they were logged.

    `data` has the names and digests of the data sets that were logged as its inputs, empty if there are none. `started`
    is in milliseconds since 1970. `curves` has the history of each logged metric of `server_names.CURVES`, and those of
    `server_names.CAUSE_CURVES` where causes were measured. `artifact_uri` is the address of the run's artifacts,
    `experiment` the name of its experiment.
    """

    run_id: str
    name: str
    status: str
    started: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    data: str = ""
    images: Mapping[str, int] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    artifact_uri: str = ""
    experiment: str = ""


@dataclass(frozen=True, eq=False)
class LoadedRuns:
    """The runs of one study or experiment, and the queries that found them.

    `trainings` are all training runs, whatever their status; `foreign` counts the runs of other programs that are not
    trainings. `left_out` holds sentences on everything that could not be read.
    """

    server: str
    experiment: str
    study: Run | None
    queries: tuple[str, ...]
    trainings: tuple[Run, ...]
    foreign: int
    left_out: tuple[str, ...]
