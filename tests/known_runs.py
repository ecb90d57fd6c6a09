"""Runs with known curves in a real tracking database, for the tests of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

DIGEST = "0123456789abcdef0123456789abcdef"


def log_study(experiment: str, kind: str = "grid", name: str = "grid 1×3 known", **params: str) -> str:
    """Log a study's own run; return its id."""
    client = MlflowClient()
    run: str = client.create_run(experiment, tags={"lrstudy.kind": kind}, run_name=name).info.run_id
    client.log_batch(run, params=[Param(*item) for item in params.items()])
    client.set_terminated(run)
    return run


def log_training(
    experiment: str,
    curves: Mapping[str, Sequence[float]],
    *,
    parent: str | None = None,
    status: str = "FINISHED",
    tags: Mapping[str, str] | None = None,
    **params: Any,
) -> str:
    """Log a training's run, its metrics from epoch 0 on; return its id. `tags` are added to those of every training."""
    client = MlflowClient()
    all_tags = {"lrstudy.kind": "train", "lrstudy.data_digest": DIGEST, **(tags or {})}
    if parent:
        all_tags["mlflow.parentRunId"] = parent
    settings = {
        "optimizer": "adam",
        "lr": "0.001",
        "seed": "0",
        "epochs": "4",
        "hidden": "8",
        "data": "known",
        **params,
    }
    run: str = client.create_run(experiment, run_name=f"{settings['optimizer']} lr={settings['lr']}").info.run_id
    metrics = [
        Metric(name, value, 1000 + step, step) for name, values in curves.items() for step, value in enumerate(values)
    ]
    client.log_batch(
        run,
        metrics,
        [Param(name, str(value)) for name, value in settings.items()],
        [RunTag(*item) for item in all_tags.items() if item[1]],
    )
    if status != "RUNNING":
        client.set_terminated(run, status)
    return run


def falling(floor: float, epochs: int = 4, start: float = 2.3) -> dict[str, list[float]]:
    """Return curves that fall halfway to `floor` with each epoch; the accuracy is one less a third of the loss."""
    losses = [floor + (start - floor) * 0.5**epoch for epoch in range(epochs + 1)]
    return {
        "train_loss": [0.9 * loss for loss in losses],
        "val_loss": losses,
        "train_accuracy": [1 - loss / 3 for loss in losses],
        "val_accuracy": [1 - loss / 3 for loss in losses],
    }
