"""What a training says of itself in the terminal, before its first epoch and after its last."""

from __future__ import annotations

import mlflow

from lrstudy.formatting import pluralize
from lrstudy.redaction import redact_credentials
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.training.progress import Progress
from lrstudy.training.result import Result
from lrstudy.training.setup import TrainingSetup


def beginning(experiment: TrainingSetup) -> str:
    """Two lines: the data, and what is about to be trained on it."""
    data, settings = experiment.plan.data, experiment.plan.settings
    _, side, _, channels = data.images.shape
    parts = " + ".join(f"{len(rows)}" for rows in (data.train, data.validation, data.test))
    weights = sum(weight.numel() for weight in experiment.network.parameters())
    machine = experiment.plan.runtime
    colour = "grey" if channels == 1 else "colour"
    return (
        f"data: {data.name}, {parts} {colour} images (training + validation + test) of {side}×{side} pixels, "
        f"{len(data.classes)} classes{_left_out(experiment)}\n"
        f"training: {settings.model} of {weights:,} weights, {experiment.plan.specification.name}, "
        f"{pluralize(settings.epochs, 'epoch')}, on {machine.device}, {pluralize(machine.threads, 'thread')}"
    )


def going_on(run: TrackedRun, progress: Progress) -> str:
    """Where a training begins whose run an earlier start of it left."""
    if not progress.history:
        return f"an earlier start was cut off, and there is no checkpoint of use: starting over, in run {run.run_id}"
    return f"an earlier start was cut off: going on after epoch {progress.history[-1].epoch}, in run {run.run_id}"


def end(experiment: TrainingSetup, result: Result, run: TrackedRun) -> str:
    """The verdict, the scores, and where to see the run."""
    server = redact_credentials(mlflow.get_tracking_uri())
    look = f"open {server}" if server.startswith("http") else f"mlflow ui --backend-store-uri {server}"
    return (
        f"{experiment.plan.specification.name}: {result.verdict.word}; {result.verdict.reason}.\n"
        f"validation: lowest loss {result.best.val_loss:.4g} at epoch {result.best.epoch}, "
        f"accuracy {result.best.val_accuracy:.1%} (n={len(experiment.plan.data.validation)})\n"
        f"held-out test: accuracy {result.test_accuracy:.1%} (n={len(experiment.plan.data.test)})\n"
        f"run {run.run_id}; to see it: {look}"
    )


def _left_out(experiment: TrainingSetup) -> str:
    data = experiment.plan.data
    counts = {
        "broken images left out": len(data.bad_images),
        "files passed over, no images or in no class": len(data.skipped_files),
    }
    return "".join(f"; {count} {what}" for what, count in counts.items() if count)
