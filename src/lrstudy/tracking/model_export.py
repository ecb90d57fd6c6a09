"""The trained network as an MLflow model, which needs neither this project nor a pickle to be loaded."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pytorch
import numpy as np
import torch
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from lrstudy import cache_paths
from lrstudy.compat.interpreter import gc_paused
from lrstudy.training.setup import TrainingSetup

# Given, since to find them out MLflow would load the model in a process of its own, which takes many seconds.
REQUIREMENTS = [f"{package}=={version(package)}" for package in ("mlflow", "torch", "numpy")]


def save_network(experiment: TrainingSetup, path: Path, identity: dict[str, Any]) -> None:
    """Saves the network, its normalisation included, as an MLflow model, and leaves it on the CPU.

    The model takes images as they are stored, uint8 `(N, side, side, channels)`, and gives probabilities, float32
    `(N, classes)`. The classes' names are in the model's metadata.

    Args:
        experiment: with the weights to save.
        path: of a folder that is not there yet.
        identity: what MLflow's `Model` is to say of its run and of itself.
    """
    data = experiment.plan.data
    # Two images: of a single one the exporter would conclude that there is never more than one.
    example = np.asarray(data.images[data.train[:2]])
    _save(experiment.classifier.cpu().eval(), example, list(data.classes), path, Model(**identity))


def get_ready() -> None:
    """Saves a network of no use: for the first one the exporter imports half of PyTorch, which takes seconds."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 1))
    with gc_paused(), tempfile.TemporaryDirectory() as folder:
        _save(network, np.zeros((2, 1), np.float32), ["none"], Path(folder, "model"), Model())


def _save(network: torch.nn.Module, example: np.ndarray, classes: list[str], path: Path, model: Model) -> None:
    signature = ModelSignature(
        inputs=Schema([TensorSpec(example.dtype, (-1, *example.shape[1:]))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(classes)))]),
    )
    # Else PyTorch makes a folder of its own among the temporary files, and leaves it there.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_paths.cache_folder() / "torchinductor"))
    with _quietly():
        mlflow.pytorch.save_model(
            network,
            str(path),
            mlflow_model=model,
            signature=signature,
            input_example=example,
            pip_requirements=REQUIREMENTS,
            metadata={"classes": classes},
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
