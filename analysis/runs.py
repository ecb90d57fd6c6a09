"""What the tracking server holds of a study: with `histories`, the only module of the analysis that reads it."""

from __future__ import annotations

import csv
import io
import json
import os
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

from errors import ReportError
from histories import Curve, read_curves, true_value

METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
KIND, PARENT, USED_BY = "lrstudy.kind", "mlflow.parentRunId", "lrstudy.used_by"
STUDY_KINDS = ("grid", "search")
RUNS_A_PAGE = 1000
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

    `started` is in milliseconds since 1970. `curves` has the histories of those of `METRICS` that there are.
    """

    run_id: str
    name: str
    status: str
    started: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    images: Mapping[str, int] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Found:
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


def read(experiment: str | None = None, study: str | None = None) -> Found:
    """The trainings of a study, or of an experiment; where neither is named, of the study that began last.

    Args:
        experiment: a name or an id.
        study: the id of a run that has child runs.

    Raises:
        ReportError: the server cannot be read, or has nothing of the kind.
    """
    server = mlflow.get_tracking_uri()
    with _one_sentence(server):
        _check_database(server)
        client = MlflowClient()
        parent, within = _find(client, experiment, study)
        queries = _queries(parent)
        found = {run.info.run_id: run for query in queries for run in _search(client, within, query)}
        trainings = sorted(filter(_is_training, found.values()), key=lambda run: (run.info.start_time, run.info.run_id))
        if not trainings:
            asked = f"the study {study}" if study else f"the experiment {within.name}"
            raise ReportError(
                f"{asked} on {server} has no trainings: of its {len(found)} runs none has an optimizer and an lr."
            )
        curves, left_out = _curves(client, trainings)
    whole = tuple(_run(run, curves[run.info.run_id]) for run in trainings)
    foreign = sum(run.data.tags.get(KIND) not in STUDY_KINDS for run in found.values()) - len(trainings)
    return Found(server, within.name, _run(parent, {}) if parent else None, queries, whole, foreign, left_out)


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
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise ReportError(f"the tracking server {server} cannot be read: {_first_line(error)}") from error


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


def _find(client: MlflowClient, experiment: str | None, study: str | None) -> tuple[MlflowRun | None, Experiment]:
    """The study's own run, if one is asked for or found, and the experiment to look into."""
    if study:
        parent = client.get_run(study)
        return parent, client.get_experiment(parent.info.experiment_id)
    if experiment:
        return None, _named(client, experiment)
    everywhere = {one.experiment_id: one for one in _pages(lambda token: client.search_experiments(page_token=token))}
    last = _last_study(client, list(everywhere))
    if last is not None:
        return last, everywhere[last.info.experiment_id]
    for run in _pages(lambda token: _page(client, list(everywhere), "", token)):
        if _is_training(run):
            return None, everywhere[run.info.experiment_id]
    raise ReportError(f"{mlflow.get_tracking_uri()} has no study and no training; `mlflow run . -e grid` makes one.")


def _named(client: MlflowClient, name_or_id: str) -> Experiment:
    found = client.get_experiment_by_name(name_or_id)
    if found is None and name_or_id.isdigit():
        found = client.get_experiment(name_or_id)
    if found is None:
        names = ", ".join(one.name for one in client.search_experiments(max_results=20))
        raise ReportError(f"--experiment {name_or_id}: there is no such experiment; there are {names}.")
    return found


def _last_study(client: MlflowClient, experiments: list[str]) -> MlflowRun | None:
    queries = [f"tags.`{KIND}` = '{kind}'" for kind in STUDY_KINDS]
    found = [
        run for query in queries for run in client.search_runs(experiments, query, max_results=1, order_by=LATEST_FIRST)
    ]
    return max(found, key=lambda run: run.info.start_time, default=None)


def _queries(parent: MlflowRun | None) -> tuple[str, ...]:
    """What finds the trainings of a study, those that another study had trained before included; or all runs."""
    if parent is None:
        return ("",)
    run_id = parent.info.run_id
    return f"tags.`{PARENT}` = '{run_id}'", f"tags.`{USED_BY}.{run_id}` = 'true'"


def _search(client: MlflowClient, experiment: Experiment, query: str) -> Iterator[MlflowRun]:
    return _pages(lambda token: _page(client, [experiment.experiment_id], query, token))


def _page(client: MlflowClient, experiments: list[str], query: str, token: str | None) -> Any:
    return client.search_runs(experiments, query, max_results=RUNS_A_PAGE, order_by=LATEST_FIRST, page_token=token)


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
    for metric in METRICS:
        ids = [run.info.run_id for run in trainings if metric in run.data.metrics]
        if not ids:
            left_out.append(f"No run has the metric {metric}: what needs it is left out.")
        for run_id, curve in read_curves(client, ids, metric).items():
            curves[run_id][metric] = curve
    return curves, tuple(left_out)


def _run(run: MlflowRun, curves: Mapping[str, Curve]) -> Run:
    info, data = run.info, run.data
    metrics = {name: true_value(value) for name, value in data.metrics.items()}
    name = info.run_name or info.run_id
    return Run(info.run_id, name, info.status, info.start_time, data.params, metrics, data.tags, _images(run), curves)


def _images(run: MlflowRun) -> dict[str, int]:
    """The number of images of each part of the data set, from the shapes in the schemas of the run's inputs."""
    images = {}
    for used in run.inputs.dataset_inputs if run.inputs else ():
        context = next((tag.value for tag in used.tags if tag.key == "mlflow.data.context"), "")
        try:
            (column,) = json.loads(used.dataset.schema or "")["mlflow_colspec"]
            images[context] = int(column["tensor-spec"]["shape"][0])
        except (TypeError, ValueError, KeyError, IndexError):  # another program's data set
            continue
    return images
