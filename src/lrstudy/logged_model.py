"""The trained network as an MLflow model, which needs neither this project nor a pickle to be loaded."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
from mlflow.models import ModelSignature
from mlflow.pytorch import log_model
from mlflow.types import Schema, TensorSpec

from lrstudy.experiment import Experiment

# Given, since to find them out MLflow would load the model in a process of its own, which takes many seconds.
REQUIREMENTS = [f"{package}=={version(package)}" for package in ("mlflow", "torch", "numpy")]


def log_network(experiment: Experiment) -> None:
    """Logs the network, its normalisation included, to MLflow's active run, and leaves it on the CPU.

    The model is called `model`. It takes images as they are stored, uint8 `(N, side, side, channels)`, and gives
    probabilities, float32 `(N, classes)`. The classes' names are in the model's metadata.
    """
    images = experiment.plan.data.images
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, *images.shape[1:]))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(experiment.plan.data.classes)))]),
    )
    with _quietly():
        log_model(
            experiment.classifier.cpu().eval(),
            name="model",
            signature=signature,
            # Two images: of a single one the exporter would conclude that there is never more than one.
            input_example=np.asarray(images[experiment.plan.data.train[:2]]),
            pip_requirements=REQUIREMENTS,
            metadata={"classes": list(experiment.plan.data.classes)},
            serialization_format="pt2",
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keeps the exporter's remarks on its own internals off the terminal."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
