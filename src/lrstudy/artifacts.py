"""The files that a training leaves: its history, scikit-learn's report, and pictures."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.metrics import classification_report, confusion_matrix

from lrstudy import figures, layers, provenance
from lrstudy.experiment import Experiment
from lrstudy.result import Result
from lrstudy.settings import typed
from lrstudy.training import Epoch, predict


def write(experiment: Experiment, result: Result, folder: Path) -> None:
    """Writes every file of a training that has ended into `folder`."""
    _write_history(result, folder / "history.csv")
    _write_json(_data_facts(experiment), folder / "data.json")
    _write_json(_environment(experiment), folder / "environment.json")
    true = experiment.plan.data.labels[experiment.plan.data.validation]
    predicted = predict(experiment.network, experiment.validation)
    _write_scores(true, predicted, experiment.plan.data.classes, folder)
    with warnings.catch_warnings():
        # A class may be named in a script that matplotlib's font lacks: it is drawn as boxes, and that is all.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        for name, figure in _figures(experiment, result, true, predicted):
            (folder / "figures").mkdir(exist_ok=True)
            figure.savefig(folder / "figures" / f"{name}.png", dpi=110)


def _write_history(result: Result, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Epoch)])
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in result.history)


def _write_json(value: object, path: Path) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _data_facts(experiment: Experiment) -> dict[str, object]:
    data = experiment.plan.data
    return {
        "name": data.name,
        "source": data.source,
        "digest": data.digest,
        "classes": data.classes,
        "image": {"side": data.images.shape[1], "channels": data.images.shape[3]},
        "images": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "normalisation": {"mean": data.mean, "std": data.std, "unit": "0 to 255"},
        "bad_images_left_out": len(data.bad_images),
        "files_passed_over": len(data.passed_over),
    }


def _environment(experiment: Experiment) -> dict[str, object]:
    return {
        "versions": provenance.versions(),
        "hardware": provenance.hardware(experiment.plan.runtime),
        "device": str(experiment.plan.runtime.device),
        "threads": experiment.plan.runtime.threads,
    }


def _write_scores(true: np.ndarray, predicted: np.ndarray, classes: Sequence[str], folder: Path) -> None:
    labels = range(len(classes))
    report = classification_report(true, predicted, labels=labels, target_names=classes, digits=3, zero_division=0.0)
    (folder / "classification_report.txt").write_text(f"Validation part\n\n{report}", encoding="utf-8")
    with (folder / "confusion_matrix.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true class / predicted class", *classes])
        counts = confusion_matrix(true, predicted, labels=labels)
        writer.writerows([name, *row] for name, row in zip(classes, counts, strict=True))


def _figures(
    experiment: Experiment, result: Result, true: np.ndarray, predicted: np.ndarray
) -> Iterator[tuple[str, Figure]]:
    data, settings = experiment.plan.data, experiment.plan.settings
    what = f"{data.name}: {settings.model}, {settings.optimizer}, learning rate {typed(settings.lr)}"
    yield "loss_curves", figures.loss_curves(result.history, result.best, f"{what}: {result.verdict.word}")
    counts = confusion_matrix(true, predicted, labels=range(len(data.classes)))
    yield "confusion_matrix", figures.confusion_matrix(counts, data.classes)
    _, side, _, channels = data.images.shape
    yield "first_layer_filters", figures.filters(layers.first_filters(experiment.network, channels, side))
    normalised, _ = experiment.validation.batch(torch.arange(1))
    seen = layers.activations(experiment.network, normalised)
    yield "what_each_layer_sees", figures.activation_maps(data.images[data.validation[0]], seen, data.classes)
