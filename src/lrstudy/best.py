"""The pictures and the MLflow model of a study's trial, made after its end from what its run holds."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import mlflow
import torch

from lrstudy import artifacts, experiment
from lrstudy.logged_model import log_network
from lrstudy.plan import Plan
from lrstudy.result import Result
from lrstudy.study_tracking import StudyRun
from lrstudy.tracking import TrackedRun, log_files
from lrstudy.training import Epoch
from lrstudy.verdict import Curve, judge


def log_showpieces(study: StudyRun, plan: Plan, run_id: str) -> None:
    """Logs the pictures and the MLflow model of a finished training to its run, unless they are there."""
    client = study.run.client
    if client.list_artifacts(run_id, "figures"):
        return
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        history = _history(Path(client.download_artifacts(run_id, "history.csv", folder)))
        weights = torch.load(client.download_artifacts(run_id, "weights.pt", folder), weights_only=True)
    training = experiment.build(plan)
    training.network.load_state_dict(weights)
    run = client.get_run(run_id)
    result = Result(
        history,
        history[int(run.data.metrics["best/epoch"])],
        judge(Curve(history, plan.chance_loss, plan.chance_accuracy)),
        run.data.metrics["test/loss"],
        run.data.metrics["test/accuracy"],
    )
    log_files(TrackedRun(client, run_id, study.run.writer), artifacts.pictures(training, result))
    with mlflow.start_run(run_id=run_id, nested=True):
        log_network(training)
    # The training ended then, not now.
    client.set_terminated(run_id, end_time=run.info.end_time)


def _history(path: Path) -> tuple[Epoch, ...]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return tuple(Epoch(int(row.pop("epoch")), **{key: float(value) for key, value in row.items()}) for row in rows)
