"""The files of a training: its history, scikit-learn's report, losses per image, data and environment, best weights."""

from __future__ import annotations

import io
import json

import torch
from sklearn.metrics import classification_report, confusion_matrix
from torch import nn

from lrstudy import hardware, provenance
from lrstudy.csv_tables import to_csv
from lrstudy.image_losses import TEST_LOSSES, VAL_LOSSES, to_npy
from lrstudy.training import history
from lrstudy.training.diagnosis.layer_table import PATH as LAYERS
from lrstudy.training.diagnosis.layer_table import layers_table
from lrstudy.training.image_results import ImageResults
from lrstudy.training.loop import evaluate
from lrstudy.training.result import AVERAGED_WEIGHTS, CONFUSION, DATA_FACTS, HISTORY, WEIGHTS, Result
from lrstudy.training.setup import TrainingSetup


def artifact_files(training: TrainingSetup, result: Result) -> dict[str, bytes]:
    """Return the files of a finished training by their paths: history, scores, context, best weights.

    The network has the best epoch's weights, and is evaluated once more on the validation split.
    """
    data = training.plan.data
    classes = data.classes
    images = ImageResults()
    evaluate(training.network, training.validation, images)
    true, predicted = data.labels[data.validation], images.predicted
    labels = range(len(classes))
    report = classification_report(true, predicted, labels=labels, target_names=classes, digits=3, zero_division=0.0)
    counts = confusion_matrix(true, predicted, labels=labels)
    averaged = {AVERAGED_WEIGHTS: weights_file(training.average.network)} if training.average else {}
    layers = training.diagnosis.rows if training.diagnosis else []
    return {
        HISTORY: history.to_csv(result.history),
        "classification_report.txt": f"Validation split\n\n{report}".encode(),
        CONFUSION: to_csv(
            [
                ["true class / predicted class", *classes],
                *([name, *row] for name, row in zip(classes, counts.tolist(), strict=True)),
            ]
        ).encode(),
        VAL_LOSSES: to_npy(images.losses),
        TEST_LOSSES: to_npy(result.test_losses),
        DATA_FACTS: _json(_data_summary(training)),
        "environment.json": _json(_environment(training)),
        WEIGHTS: weights_file(training.network),
        **averaged,
        **({LAYERS: layers_table(layers)} if layers else {}),
        **{f"code/{reference.path.name}": reference.content for reference in training.plan.settings.code},
    }


def weights_file(network: nn.Module) -> bytes:
    """Return a network's weights as a file that `torch.load` reads with `weights_only=True`."""
    content = io.BytesIO()
    torch.save({name: value.cpu() for name, value in network.state_dict().items()}, content)
    return content.getvalue()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _data_summary(training: TrainingSetup) -> dict[str, object]:
    data = training.plan.data
    mean, std = training.plan.normalisation
    return {
        "name": data.name,
        "source": data.source,
        "digest": data.digest,
        "classes": data.classes,
        "image": {"side": data.images.shape[1], "channels": data.images.shape[3]},
        "images": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "normalisation": {"mean": mean, "std": std, "unit": "0 to 255"},
        "bad_images_left_out": len(data.bad_images),
        "files_passed_over": len(data.skipped_files),
        "preprocessing": data.preprocessing,
        "ranges": data.ranges,
        "remarks": data.remarks,
        "warnings": data.warnings,
    }


def _environment(training: TrainingSetup) -> dict[str, object]:
    return {
        "versions": provenance.versions(),
        "hardware": hardware.describe(training.plan.runtime.device),
        "device": str(training.plan.runtime.device),
        "threads": training.plan.runtime.threads,
    }
