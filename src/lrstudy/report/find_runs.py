"""Find the runs to report: those of a study, of an experiment, or of the study that started last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from lrstudy.errors import ReportError
from lrstudy.redaction import redact_credentials
from lrstudy.report.server import LATEST_FIRST, all_experiments, is_training, search
from lrstudy.server_names import KIND, PARENT, STUDY_KINDS, USED_BY

MAX_STUDIES = 20
MAX_NAMES = 20


@dataclass(frozen=True, eq=False)
class FoundRuns:
    """MLflow's runs by id, with the study that they belong to (None: all of `experiment`) and remarks on the search."""

    study: MlflowRun | None
    experiment: Experiment
    runs: dict[str, MlflowRun]
    remarks: tuple[str, ...] = ()


def find_runs(client: MlflowClient, experiment: str | None, study: str | None) -> FoundRuns:
    """Return the runs of `study`, else of `experiment`, else of the latest study or training.

    Raises:
        ReportError: there is no such study or experiment, or no training at all.
    """
    if study is not None:
        parent = _study(client, study)
        return _runs_of(client, parent, client.get_experiment(parent.info.experiment_id))
    if experiment is not None:
        return _runs_of(client, None, _experiment(client, experiment))
    return _latest(client)


def study_queries(study: MlflowRun | None) -> tuple[str, ...]:
    """Return the queries for a study's trainings, including those that it reused; one for all runs without a study."""
    if study is None:
        return ("",)
    run_id = study.info.run_id
    return f"tags.`{PARENT}` = '{run_id}'", f"tags.`{USED_BY}.{run_id}` = 'true'"


def _latest(client: MlflowClient) -> FoundRuns:
    experiments = {experiment.experiment_id: experiment for experiment in all_experiments(client)}
    empty: list[str] = []
    for study in _latest_studies(client, list(experiments)):
        remarks = tuple(f"The study {name} started later but has no trainings yet." for name in empty)
        found = _runs_of(client, study, experiments[study.info.experiment_id], remarks)
        if any(map(is_training, found.runs.values())):
            return found
        empty.append(f"{study.info.run_name} (run {study.info.run_id})")
    for run in search(client, list(experiments), ""):
        if is_training(run):
            return _runs_of(client, None, experiments[run.info.experiment_id])
    raise ReportError(f"{_server()} has no study and no training; run one with `mlflow run . -e grid`.")


def _study(client: MlflowClient, run_id: str) -> MlflowRun:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise ReportError(f"study={run_id!r} is not a run on {_server()}.") from error


def _experiment(client: MlflowClient, name_or_id: str) -> Experiment:
    experiments = all_experiments(client)
    matching = [one for one in experiments if name_or_id in (one.name, one.experiment_id)]
    if not matching:
        names = ", ".join(experiment.name for experiment in experiments[:MAX_NAMES])
        raise ReportError(f"experiment={name_or_id!r} is not an experiment on {_server()}, which has {names}.")
    by_name_first: Experiment = min(matching, key=lambda experiment: experiment.name != name_or_id)
    return by_name_first


def _server() -> str:
    return redact_credentials(mlflow.get_tracking_uri())


def _latest_studies(client: MlflowClient, experiments: list[str]) -> list[MlflowRun]:
    """Return the studies that started last, the very last one first."""
    queries = [f"tags.`{KIND}` = '{kind}'" for kind in STUDY_KINDS]
    studies = [
        run
        for query in queries
        for run in client.search_runs(experiments, query, max_results=MAX_STUDIES, order_by=LATEST_FIRST)
    ]
    return sorted(studies, key=lambda run: -run.info.start_time)


def _runs_of(
    client: MlflowClient, study: MlflowRun | None, experiment: Experiment, remarks: tuple[str, ...] = ()
) -> FoundRuns:
    runs = _matching(client, experiment, study_queries(study))
    return FoundRuns(study, experiment, runs, remarks)


def _matching(client: MlflowClient, experiment: Experiment, queries: Sequence[str]) -> dict[str, MlflowRun]:
    """Return the runs that match a query, and the children of those that are not trainings: studies can be nested."""
    runs: dict[str, MlflowRun] = {}
    pending = list(queries)
    while pending:
        matching = search(client, [experiment.experiment_id], pending.pop())
        new = {run.info.run_id: run for run in matching if run.info.run_id not in runs}
        runs |= new
        if any(queries):
            pending += [f"tags.`{PARENT}` = '{run_id}'" for run_id, run in new.items() if not is_training(run)]
    return runs
