"""The files that a training leaves: its history, scikit-learn's report, and pictures."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.metrics import classification_report, confusion_matrix

from lrstudy import provenance
from lrstudy.experiment import Experiment
from lrstudy.result import Result
from lrstudy.settings import typed
from lrstudy.training import Epoch, predict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tables(experiment: Experiment, result: Result) -> dict[str, bytes]:
    """The files of a training that has ended, by their paths: history, scores, facts, and the best epoch's weights."""
    classes = experiment.plan.data.classes
    true, predicted = _validation(experiment)
    labels = range(len(classes))
    report = classification_report(true, predicted, labels=labels, target_names=classes, digits=3, zero_division=0.0)
    counts = confusion_matrix(true, predicted, labels=labels)
    weights = io.BytesIO()
    torch.save({name: value.cpu() for name, value in experiment.network.state_dict().items()}, weights)
    return {
        "history.csv": _csv([field.name for field in fields(Epoch)], [astuple(epoch) for epoch in result.history]),
        "classification_report.txt": f"Validation part\n\n{report}".encode(),
        "confusion_matrix.csv": _csv(
            ["true class / predicted class", *classes],
            [[name, *row] for name, row in zip(classes, counts.tolist(), strict=True)],
        ),
        "data.json": _json(_data_facts(experiment)),
        "environment.json": _json(_environment(experiment)),
        "weights.pt": weights.getvalue(),
    }


def pictures(experiment: Experiment, result: Result) -> dict[str, bytes]:
    """The pictures of a training that has ended, PNG files by their paths."""
    drawn = {}
    with warnings.catch_warnings():
        # A class may be named in a script that matplotlib's font lacks: it is drawn as boxes, and that is all.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        for name, figure in _figures(experiment, result):
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=110)
            drawn[f"figures/{name}.png"] = file.getvalue()
    return drawn


def _validation(experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """The true and the predicted classes of the validation part."""
    data = experiment.plan.data
    return data.labels[data.validation], predict(experiment.network, experiment.validation)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


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


def _figures(experiment: Experiment, result: Result) -> Iterator[tuple[str, Figure]]:
    from lrstudy import figures, layers

    data, settings = experiment.plan.data, experiment.plan.settings
    what = f"{data.name}: {settings.model}, {settings.optimizer}, learning rate {typed(settings.lr)}"
    yield "loss_curves", figures.loss_curves(result.history, result.best, f"{what}: {result.verdict.word}")
    counts = confusion_matrix(*_validation(experiment), labels=range(len(data.classes)))
    yield "confusion_matrix", figures.confusion(counts, data.classes)
    _, side, _, channels = data.images.shape
    yield "first_layer_filters", figures.filters(layers.first_filters(experiment.network, channels, side))
    normalised, _ = experiment.validation.batch(torch.arange(1))
    seen = layers.activations(experiment.network, normalised)
    yield "what_each_layer_sees", figures.activation_maps(data.images[data.validation[0]], seen, data.classes)
