"""A training whose model is used: a small network on photographs of its own, trained once per pytest run."""

import io
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

import shared_by_workers
from studies import reference_run

CLASSES = ("bright & loud", "dark")
SIDE = 16


def photo(seed: int, *, bright: bool, size: tuple[int, int] = (64, 48), kind: str = "JPEG") -> bytes:
    """Return the content of an image file: noise around a light or a dark level."""
    generator = np.random.default_rng(seed)
    level = 190 if bright else 60
    small = generator.normal(level, 30, (8, 8, 3)).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(file, kind)
    return file.getvalue()


def write_photos(folder: Path, count: int, first: int = 0) -> Path:
    """Write `count` photographs of each class into class folders."""
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for seed in range(first, first + count):
            (folder / name / f"{seed}.jpg").write_bytes(photo(seed, bright=name == CLASSES[0]))
    return folder


def trained() -> tuple[MlflowClient, Run]:
    """Return the run of the training, and a client of its database."""
    arguments = ("--model", "cnn", "--hidden", "8", "--image-size", str(SIDE), "--epochs", "2", "--lr", "0.01")
    return reference_run("--data", shared_by_workers.once("photographs", _write), *arguments)


def _write() -> str:
    return str(write_photos(shared_by_workers.folder() / "photos", 20))
