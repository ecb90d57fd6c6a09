"""Load the runs of a study or an experiment, with their curves, from the tracking server."""

from __future__ import annotations

from collections.abc import Sequence

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun

from lrstudy.errors import ReportError
from lrstudy.redaction import describe_ambiguity, redact_credentials
from lrstudy.report.convert_runs import convert_run, has_percentages, is_logged_by_batch
from lrstudy.report.find_runs import find_runs, study_queries
from lrstudy.report.histories import read_curves
from lrstudy.report.runs import Curve, LoadedRuns
from lrstudy.report.server import check_database, is_training, server_errors
from lrstudy.server_names import CAUSE_CURVES, CURVES, KIND

Curves = dict[str, dict[str, Curve]]


def load_runs(experiment: str | None = None, study: str | None = None) -> LoadedRuns:
    """Return the trainings of a study, or of an experiment; of the study that started last if neither is named.

    Args:
        experiment: a name or an id.
        study: the id of a run that has child runs.

    Raises:
        ReportError: the server cannot be read, or has no such trainings.
    """
    server = redact_credentials(mlflow.get_tracking_uri())
    if reason := describe_ambiguity(mlflow.get_tracking_uri()):
        raise ReportError(f"the tracking server cannot be read: {reason}")
    with server_errors(server):
        check_database(mlflow.get_tracking_uri())
        client = MlflowClient()
        found = find_runs(client, experiment, study)
        trainings = sorted(
            filter(is_training, found.runs.values()), key=lambda run: (run.info.start_time, run.info.run_id)
        )
        if not trainings:
            scope = f"the study {study}" if study else f"the experiment {found.experiment.name}"
            raise ReportError(
                f"{scope} on {server} has no trainings: none of its {len(found.runs)} runs has an optimizer and an lr."
            )
        curves, missing = _curves(client, trainings)
    return LoadedRuns(
        server,
        found.experiment.name,
        convert_run(found.study, {}, found.experiment.name) if found.study else None,
        study_queries(found.study),
        tuple(convert_run(run, curves[run.info.run_id], found.experiment.name) for run in trainings),
        sum(KIND not in run.data.tags and not is_training(run) for run in found.runs.values()),
        (*found.remarks, *_conversions(trainings, curves), *missing),
    )


def _conversions(trainings: Sequence[MlflowRun], curves: Curves) -> list[str]:
    """Return a sentence for each way in which runs of other programs are read differently from how they were logged."""
    total = len(trainings)
    remarks = []
    if batches := sum(is_logged_by_batch(run, curves[run.info.run_id]) for run in trainings):
        remarks.append(
            f"{batches} of {total} trainings have more steps than epochs: their steps are read as batches, the last "
            "step as the end of the last epoch."
        )
    if percentages := sum(map(has_percentages, trainings)):
        remarks.append(f"{percentages} of {total} trainings have accuracies above 1, which are read as percentages.")
    return remarks


def _curves(client: MlflowClient, trainings: Sequence[MlflowRun]) -> tuple[Curves, list[str]]:
    """Return the histories of all metrics by run, and sentences on the missing ones."""
    curves: Curves = {run.info.run_id: {} for run in trainings}
    finished = {run.info.run_id for run in trainings if run.info.status == "FINISHED"}
    missing = []
    for metric in CURVES:
        ids = [run.info.run_id for run in trainings if metric in run.data.metrics]
        if not ids:
            missing.append(f"No run has the metric {metric}: figures and columns that need it are left out.")
        elif lacking := len(finished - set(ids)):
            missing.append(f"{lacking} of {len(finished)} finished runs lack the metric {metric}.")
        for run_id, curve in read_curves(client, ids, metric).items():
            curves[run_id][metric] = curve
    for metric in CAUSE_CURVES:
        measured = [run.info.run_id for run in trainings if metric in run.data.metrics and KIND in run.data.tags]
        for run_id, curve in read_curves(client, measured, metric).items():
            curves[run_id][metric] = curve
    return curves, missing
