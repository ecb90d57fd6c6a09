"""What the tracking server holds of a study: with `histories`, the only module of the analysis that reads it."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from lrstudy.errors import ReportError
from lrstudy.report.histories import Curve, read_curves, true_value
from lrstudy.server_names import CURVES, DATA_CONTEXT, KIND, PARENT, STUDY_KINDS, USED_BY

RUNS_PER_PAGE = 1000
LAST_STUDIES = 20
LATEST_FIRST = ["attributes.start_time DESC"]
# Two tries after the first: a server that is not there is told of in seconds, one that hangs in a minute.
QUIET_AND_QUICK = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@dataclass(frozen=True, eq=False)
class Run:
    """A run as the server has it; `images` are the sizes of its data set's parts, where they were logged.

    `data` has the names and digests of the data sets that were logged as its inputs, empty if there are none. `started`
    is in milliseconds since 1970. `curves` has the histories of those of `CURVES` that there are.
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


@dataclass(frozen=True, eq=False)
class LoadedRuns:
    """What was asked, and what there was.

    `trainings` are all runs of trainings, whatever their status; `foreign` counts the runs that are no trainings.
    `left_out` says in sentences what could not be read.
    """

    server: str
    experiment: str
    study: Run | None
    queries: tuple[str, ...]
    trainings: tuple[Run, ...]
    foreign: int
    left_out: tuple[str, ...]


def read(experiment: str | None = None, study: str | None = None) -> LoadedRuns:
    """The trainings of a study, or of an experiment; where neither is named, of the study that began last.

    Args:
        experiment: a name or an id.
        study: the id of a run that has child runs.

    Raises:
        ReportError: the server cannot be read, or has nothing of the kind.
    """
    server = without_secrets(mlflow.get_tracking_uri())
    with _one_sentence(server):
        _check_database(server)
        client = MlflowClient()
        parent, within, found, remarks = _find(client, experiment, study)
        trainings = sorted(filter(_is_training, found.values()), key=lambda run: (run.info.start_time, run.info.run_id))
        if not trainings:
            asked = f"the study {study}" if study else f"the experiment {within.name}"
            raise ReportError(
                f"{asked} on {server} has no trainings: of its {len(found)} runs none has an optimizer and an lr."
            )
        curves, left_out = _curves(client, trainings)
    whole = tuple(_run(run, curves[run.info.run_id]) for run in trainings)
    if batches := sum(_in_batches(run, curves[run.info.run_id]) for run in trainings):
        remarks.append(
            f"{batches} of {len(trainings)} trainings have more steps than epochs: their steps are taken for batches, "
            "and the last one for the end of the last epoch."
        )
    foreign = sum(KIND not in run.data.tags and not _is_training(run) for run in found.values())
    if percentages := sum(map(_in_percent, trainings)):
        remarks.append(
            f"{percentages} of {len(trainings)} trainings have accuracies above 1: they are taken for percentages."
        )
    asked_for = _run(parent, {}) if parent else None
    return LoadedRuns(server, within.name, asked_for, _queries(parent), whole, foreign, (*remarks, *left_out))


def without_secrets(server: str) -> str:
    """A server's address without a user's name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", server)


def read_table(run_id: str, path: str) -> list[list[str]]:
    """The rows of a CSV file among a run's artifacts.

    Raises:
        ReportError: it cannot be fetched.
    """
    with _artifacts(f"the artifact {path} of run {run_id} cannot be fetched"), tempfile.TemporaryDirectory() as folder:
        text = Path(MlflowClient().download_artifacts(run_id, path, folder)).read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text, newline="")))


def attach(run_id: str, folder: Path) -> None:
    """Logs `folder` to a run, as its artifact folder `report`.

    Raises:
        ReportError: the artifact store does not take it.
    """
    with _artifacts(f"the report cannot be attached to run {run_id}"):
        MlflowClient().log_artifacts(run_id, str(folder), "report")


@contextmanager
def _artifacts(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # an artifact store fails in the ways of its library
        raise ReportError(f"{what}: {_first_line(error)}") from error


@contextmanager
def _one_sentence(server: str) -> Iterator[None]:
    for name, value in QUIET_AND_QUICK.items():
        os.environ.setdefault(name, value)
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = _first_line(error)
        if "ConnectionPool(" in reason:  # what the library says of it is of itself
            reason = "it does not answer."
        raise ReportError(f"the tracking server {server} cannot be read: {without_secrets(reason)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _check_database(server: str) -> None:
    """Refuses a database that is not there, or is none: MLflow would make one there."""
    if not server.startswith("sqlite:///"):
        return
    path = Path(server.removeprefix("sqlite:///").partition("?")[0])
    if not path.is_file():
        raise ReportError(
            f"there is no tracking database {path}; MLFLOW_TRACKING_URI says where to look, and "
            "`mlflow run . -e grid` makes a study."
        )
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        names = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        database.close()
    except sqlite3.Error as error:
        raise ReportError(f"{path} cannot be read as a database: {error}.") from error
    if "runs" not in names:
        raise ReportError(f"{path} is no tracking database of MLflow's: it has no table of runs.")


def _find(
    client: MlflowClient, experiment: str | None, study: str | None
) -> tuple[MlflowRun | None, Experiment, dict[str, MlflowRun], list[str]]:
    """The study's own run, if one is asked for or found, the experiment, the runs there, and what to say of that."""
    if study is not None:
        parent = _study(client, study)
        within = client.get_experiment(parent.info.experiment_id)
        return parent, within, _all(client, within, _queries(parent)), []
    if experiment is not None:
        within = _named(client, experiment)
        return None, within, _all(client, within, _queries(None)), []
    everywhere = {one.experiment_id: one for one in _pages(lambda token: client.search_experiments(page_token=token))}
    empty: list[str] = []
    for last in _last_studies(client, list(everywhere)):
        within = everywhere[last.info.experiment_id]
        found = _all(client, within, _queries(last))
        if any(map(_is_training, found.values())):
            return last, within, found, [f"The study {name} began later, but has no trainings yet." for name in empty]
        empty.append(f"{last.info.run_name} (run {last.info.run_id})")
    for run in _pages(lambda token: _page(client, list(everywhere), "", token)):
        if _is_training(run):
            within = everywhere[run.info.experiment_id]
            return None, within, _all(client, within, _queries(None)), []
    server = without_secrets(mlflow.get_tracking_uri())
    raise ReportError(f"{server} has no study and no training; `mlflow run . -e grid` makes one.")


def _study(client: MlflowClient, run_id: str) -> MlflowRun:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        server = without_secrets(mlflow.get_tracking_uri())
        raise ReportError(f"--study {run_id}: there is no such run on {server}.") from error


def _named(client: MlflowClient, name_or_id: str) -> Experiment:
    there = list(_pages(lambda token: client.search_experiments(page_token=token)))
    found = [one for one in there if name_or_id in (one.name, one.experiment_id)]
    if not found:
        names = ", ".join(one.name for one in there[:20])
        raise ReportError(f"--experiment {name_or_id}: there is no such experiment; there are {names}.")
    named: Experiment = min(found, key=lambda one: one.name != name_or_id)
    return named


def _last_studies(client: MlflowClient, experiments: list[str]) -> list[MlflowRun]:
    """The studies that began last, the very last one first."""
    queries = [f"tags.`{KIND}` = '{kind}'" for kind in STUDY_KINDS]
    found = [
        run
        for query in queries
        for run in client.search_runs(experiments, query, max_results=LAST_STUDIES, order_by=LATEST_FIRST)
    ]
    return sorted(found, key=lambda run: -run.info.start_time)


def _queries(parent: MlflowRun | None) -> tuple[str, ...]:
    """What finds the trainings of a study, those that another study had trained before included; or all runs."""
    if parent is None:
        return ("",)
    run_id = parent.info.run_id
    return f"tags.`{PARENT}` = '{run_id}'", f"tags.`{USED_BY}.{run_id}` = 'true'"


def _all(client: MlflowClient, experiment: Experiment, queries: Sequence[str]) -> dict[str, MlflowRun]:
    """The runs that the queries find, and the children of those that are no trainings: studies can be nested."""
    found: dict[str, MlflowRun] = {}
    asked = list(queries)
    while asked:
        new = {run.info.run_id: run for run in _search(client, experiment, asked.pop()) if run.info.run_id not in found}
        found |= new
        if any(queries):
            asked += [f"tags.`{PARENT}` = '{run_id}'" for run_id, run in new.items() if not _is_training(run)]
    return found


def _search(client: MlflowClient, experiment: Experiment, query: str) -> Iterator[MlflowRun]:
    return _pages(lambda token: _page(client, [experiment.experiment_id], query, token))


def _page(client: MlflowClient, experiments: list[str], query: str, token: str | None) -> Any:
    return client.search_runs(experiments, query, max_results=RUNS_PER_PAGE, order_by=LATEST_FIRST, page_token=token)


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """All that an answer in pages has."""
    token = None
    while True:
        page = ask(token)
        yield from page
        if not (token := page.token):
            return


def _is_training(run: MlflowRun) -> bool:
    """Whether a run is a training of a classifier: it says so, or has an optimizer and a learning rate."""
    kind = run.data.tags.get(KIND)
    return kind == "train" or (kind is None and {"optimizer", "lr"} <= set(run.data.params))


def _curves(
    client: MlflowClient, trainings: Sequence[MlflowRun]
) -> tuple[dict[str, dict[str, Curve]], tuple[str, ...]]:
    """The histories of all metrics by run, and what there is none of."""
    curves: dict[str, dict[str, Curve]] = {run.info.run_id: {} for run in trainings}
    left_out = []
    for metric in CURVES:
        ids = [run.info.run_id for run in trainings if metric in run.data.metrics]
        ended = [run.info.run_id for run in trainings if run.info.status == "FINISHED"]
        if not ids:
            left_out.append(f"No run has the metric {metric}: what needs it is left out.")
        elif lacking := len(set(ended) - set(ids)):
            left_out.append(f"{lacking} of {len(ended)} finished runs lack the metric {metric}.")
        for run_id, curve in read_curves(client, ids, metric).items():
            curves[run_id][metric] = curve
    return curves, tuple(left_out)


def _in_percent(run: MlflowRun) -> bool:
    """Whether a run's accuracies are percentages, not shares."""
    return any(
        1.5 < value < math.inf for name, value in run.data.metrics.items() if name.endswith(("_accuracy", "/accuracy"))
    )


def _run(run: MlflowRun, curves: Mapping[str, Curve]) -> Run:
    info, data = run.info, run.data
    metrics = {name: true_value(value) for name, value in data.metrics.items()}
    if _in_percent(run):
        metrics = {name: value / 100 if name.endswith("accuracy") else value for name, value in metrics.items()}
        curves = {
            name: Curve(one.steps, one.values / 100) if name.endswith("accuracy") else one
            for name, one in curves.items()
        }
    if _in_batches(run, curves):
        curves = _by_epoch(curves, _epochs(run))
    return Run(
        info.run_id,
        info.run_name or info.run_id,
        info.status,
        info.start_time,
        data.params,
        metrics,
        data.tags,
        _data_sets(run),
        _images(run),
        curves,
    )


def _epochs(run: MlflowRun) -> int:
    """The number of epochs that a run was to have; 0 where it does not say."""
    typed = run.data.params.get("epochs", "").strip("'\" ")
    return int(typed) if typed.isdecimal() else 0


def _in_batches(run: MlflowRun, curves: Mapping[str, Curve]) -> bool:
    """Whether another program's steps are batches, not epochs: they go beyond the epochs that it was to have."""
    last = max((int(curve.steps[-1]) for curve in curves.values()), default=0)
    return KIND not in run.data.tags and 0 < _epochs(run) < last


def _by_epoch(curves: Mapping[str, Curve], epochs: int) -> dict[str, Curve]:
    """Curves over the epochs instead of the batches, the last of which is the end of the last epoch.

    Steps that are counted from 0 end one before a multiple of the epochs.
    """
    last = max(int(curve.steps[-1]) for curve in curves.values())
    first = int(last % epochs != 0 and (last + 1) % epochs == 0)
    return {
        name: Curve((curve.steps + first) * epochs / (last + first), curve.values) for name, curve in curves.items()
    }


def _data_sets(run: MlflowRun) -> str:
    used = run.inputs.dataset_inputs if run.inputs else ()
    return ", ".join(sorted({f"{one.dataset.name} ({(one.dataset.digest or '')[:8]})" for one in used}))


def _images(run: MlflowRun) -> dict[str, int]:
    """The number of images of each part of the data set, from the shapes in the schemas of the run's inputs."""
    images = {}
    for used in run.inputs.dataset_inputs if run.inputs else ():
        context = next((tag.value for tag in used.tags if tag.key == DATA_CONTEXT), "")
        try:
            (column,) = json.loads(used.dataset.schema or "")["mlflow_colspec"]
            images[context] = int(column["tensor-spec"]["shape"][0])
        except (TypeError, ValueError, KeyError, IndexError):  # another program's data set
            continue
    return images
