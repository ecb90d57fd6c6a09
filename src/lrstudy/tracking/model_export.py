"""The trained network as an MLflow model, which can be loaded without this project and without a pickle.

The network is a graph that torch.export made: it needs neither the code of the project nor that of the user. The code
that reads images is copied beside it, as one of MLflow's models from code.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from torch.export import Dim

from lrstudy import cache_paths
from lrstudy.compat.interpreter import gc_paused
from lrstudy.compat.mlflow_internals import prepare_to_save_models
from lrstudy.errors import LearningRateStudyError
from lrstudy.image_model.classifier import FACTS, FACTS_FILE, NETWORK, NETWORK_FILE
from lrstudy.image_model.image_inputs import COLUMN
from lrstudy.image_model.prediction_table import CLASS, prediction_columns
from lrstudy.image_model.source_copy import write_source
from lrstudy.redaction import first_line
from lrstudy.tracking.logged_model import MODEL_FILE, model_digest
from lrstudy.training.result import ModelInputs
from lrstudy.training.setup import Classifier

ARTIFACTS = "artifacts"
# MLflow would find them out by loading the model in another process, which takes many seconds.
REQUIREMENTS = [f"{package}=={version(package)}" for package in ("mlflow", "torch", "numpy", "pillow", "pandas")]


def save_network(classifier: Classifier, inputs: ModelInputs, path: Path, identity: dict[str, Any]) -> str:
    """Save a network, its normalisation included, as an MLflow model; return the digest of its files.

    The model maps images of any size and kind to a DataFrame with the class and the probability of each class. Loaded
    by `mlflow.pytorch`, it maps images as they are stored, uint8 `(N, side, side, channels)`, to probabilities, float32
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
        _save(classifier.eval(), inputs, path, Model(**identity))
    except MlflowException as error:  # not an answer of the server
        raise LearningRateStudyError(f"the model cannot be saved: {first_line(error)}.") from None
    return model_digest(path)


@cache
def warm_up() -> None:
    """Save a tiny network, once: for its first network the exporter imports half of PyTorch, which takes seconds."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 1))
    inputs = ModelInputs(np.zeros((2, 1), np.float32), (0.0,), (1.0,), ("none",), "pad")
    with gc_paused(), tempfile.TemporaryDirectory() as folder:
        _save(network, inputs, Path(folder, "model"), Model())


def _save(network: torch.nn.Module, inputs: ModelInputs, path: Path, model: Model) -> None:
    probabilities = [ColSpec(DataType.float, name) for name in prediction_columns(inputs.classes) if name != CLASS]
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, COLUMN)]),
        outputs=Schema([ColSpec(DataType.string, CLASS), *probabilities]),
    )
    _set_compiler_cache()
    prepare_to_save_models()
    with _quietly(), tempfile.TemporaryDirectory(prefix="lrstudy-") as folder:
        package, entry = write_source(Path(folder))
        with _importable(folder):
            mlflow.pyfunc.save_model(
                str(path),
                python_model=str(entry),
                code_paths=[str(package)],
                mlflow_model=model,
                signature=signature,
                pip_requirements=REQUIREMENTS,
                metadata={"classes": list(inputs.classes)},
            )
        artifacts = path / ARTIFACTS
        artifacts.mkdir()
        _export(network, inputs.example, artifacts / NETWORK_FILE)
    (artifacts / FACTS_FILE).write_text(json.dumps(_facts(inputs), ensure_ascii=False), encoding="utf-8")
    _add_artifacts(model, path)


def _add_artifacts(model: Model, path: Path) -> None:
    """Add the files in `path/artifacts` to a saved model, as if MLflow had copied them there.

    MLflow itself would copy a large network once more, with threads that stay.
    """
    model.add_flavor("pytorch", model_data=ARTIFACTS, pytorch_version=str(torch.__version__))
    files = {NETWORK: f"{ARTIFACTS}/{NETWORK_FILE}", FACTS: f"{ARTIFACTS}/{FACTS_FILE}"}
    model.flavors["python_function"]["artifacts"] = {name: {"path": file, "uri": file} for name, file in files.items()}
    model.model_size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    model.save(str(path / MODEL_FILE))


def _export(network: torch.nn.Module, example: np.ndarray, file: Path) -> None:
    batches_of_any_size = ({0: Dim.AUTO},)
    program = torch.export.export(network, (torch.from_numpy(example),), dynamic_shapes=batches_of_any_size)
    torch.export.save(program, file)


def _facts(inputs: ModelInputs) -> dict[str, Any]:
    return {
        "classes": inputs.classes,
        "side": inputs.example.shape[1],
        "channels": inputs.example.shape[-1],
        "fit": inputs.fit,
        "ranges": inputs.ranges,
    }


@contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Let Python import the packages in `folder`, for MLflow runs the code of a model before it saves it."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


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
