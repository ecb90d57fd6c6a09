"""The pictures and the MLflow model of a study's trial, made by workers after its end from what its run holds."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import torch

from lrstudy import experiment, pictures
from lrstudy.epoch import Epoch
from lrstudy.experiment import Experiment
from lrstudy.result import Result
from lrstudy.settings import TrainSettings
from lrstudy.trial import planned
from lrstudy.verdict import Curve, judge


def picture(
    name: str, settings: TrainSettings, weights: bytes, history: bytes, metrics: dict[str, float]
) -> dict[str, bytes]:
    """A picture of a training that has ended: a PNG file by its path.

    Args:
        name: of the picture.
        settings: of the training.
        weights: the file of its best weights.
        history: the file of its epochs.
        metrics: its final metrics.
    """
    training = _trained(settings, weights)
    rows = csv.DictReader(io.StringIO(history.decode(), newline=""))
    epochs = tuple(Epoch(int(row.pop("epoch")), **{name: float(value) for name, value in row.items()}) for row in rows)
    verdict = judge(Curve(epochs, training.plan.chance_loss, training.plan.chance_accuracy))
    best = epochs[int(metrics["best/epoch"])]
    result = Result(epochs, best, verdict, metrics["test/loss"], metrics["test/accuracy"])
    return pictures.draw(training, result, [name])


def save_model(settings: TrainSettings, weights: bytes, path: Path, identity: dict[str, Any]) -> None:
    """Saves the MLflow model of a training that has ended: see `logged_model.save_network`."""
    from lrstudy.logged_model import save_network

    save_network(_trained(settings, weights), path, identity)


def _trained(settings: TrainSettings, weights: bytes) -> Experiment:
    training = experiment.build(planned(settings))
    training.network.load_state_dict(torch.load(io.BytesIO(weights), weights_only=True))
    return training
