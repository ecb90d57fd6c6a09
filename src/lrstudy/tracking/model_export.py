"""The trained network as an MLflow model, which can be loaded without this project and without a pickle."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pytorch
import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from lrstudy import cache_paths
from lrstudy.compat.interpreter import gc_paused
from lrstudy.errors import LearningRateStudyError
from lrstudy.redaction import first_line
from lrstudy.training.result import ModelInputs
from lrstudy.training.setup import Classifier

# MLflow would find them out by loading the model in another process, which takes many seconds.
REQUIREMENTS = [f"{package}=={version(package)}" for package in ("mlflow", "torch", "numpy")]


def save_network(classifier: Classifier, inputs: ModelInputs, path: Path, identity: dict[str, Any]) -> None:
    """Save a network, its normalisation included, as an MLflow model.

    The model maps images as they are stored, uint8 `(N, side, side, channels)`, to probabilities, float32
    `(N, classes)`. Its metadata holds the names of the classes.

    Args:
        classifier: on the CPU, with the weights to save.
        inputs: of the training.
        path: of the folder to write; files of a worker that died are removed.
        identity: arguments of MLflow's `Model`, which name its run and itself.

    Raises:
        LearningRateStudyError: MLflow cannot save it.
    """
    shutil.rmtree(path, ignore_errors=True)
    try:
        _save(classifier.eval(), inputs.example, list(inputs.classes), path, Model(**identity))
    except MlflowException as error:  # not an answer of the server
        raise LearningRateStudyError(f"the model cannot be saved: {first_line(error)}.") from None


@cache
def warm_up() -> None:
    """Save a tiny network, once: for its first network the exporter imports half of PyTorch, which takes seconds."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 1))
    with gc_paused(), tempfile.TemporaryDirectory() as folder:
        _save(network, np.zeros((2, 1), np.float32), ["none"], Path(folder, "model"), Model())


def _save(network: torch.nn.Module, example: np.ndarray, classes: list[str], path: Path, model: Model) -> None:
    signature = ModelSignature(
        inputs=Schema([TensorSpec(example.dtype, (-1, *example.shape[1:]))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(classes)))]),
    )
    _set_compiler_cache()
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


def _set_compiler_cache() -> None:
    """Let PyTorch use the cache folder, where it can be written; it creates and leaves a temporary folder otherwise."""
    folder = cache_paths.cache_folder() / "torchinductor"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


@contextmanager
def _quietly() -> Iterator[None]:
    """Discard the exporter's warnings about its own internals."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
