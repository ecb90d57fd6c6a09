"""The table of named data sets: scikit-learn's digits, and torchvision's."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from lrstudy.compat.network import socket_timeout
from lrstudy.data.splitting import SPLITS, Labelling
from lrstudy.errors import DataError
from lrstudy.redaction import first_line

NETWORK_SECONDS = 20.0
# Whether data sets that are missing are downloaded; the machines of a cluster get them from the driver instead.
DOWNLOADS: ContextVar[bool] = ContextVar("downloads", default=True)


@dataclass(frozen=True, eq=False)
class Arrays:
    """A data set in memory: images, uint8 `(n, side, side, channels)`, and their labels."""

    images: np.ndarray
    labelling: Labelling


@dataclass(frozen=True)
class Source:
    """A named data set: its origin, and the function that reads it, given the folder of downloaded data sets."""

    origin: str
    read: Callable[[Path], Arrays]


def _digits(_: Path) -> Arrays:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    return Arrays(images, Labelling(labels, np.full(len(images), ""), tuple("0123456789")))


def _torchvision(kind: str, folder: str, files: str) -> Callable[[Path], Arrays]:
    """Return a reader of torchvision's class `kind`, whose own test set is the held-out test set."""

    def read(root: Path) -> Arrays:
        train, test = (_read_split(kind, (root / folder, files), root, train=train) for train in (True, False))
        images = np.concatenate([np.asarray(split.data) for split in (train, test)])
        labels = np.concatenate([np.asarray(split.targets, dtype=np.int64) for split in (train, test)])
        splits = np.repeat([SPLITS[0], SPLITS[2]], [len(train.targets), len(test.targets)])
        images = images if images.ndim == 4 else images[..., None]
        return Arrays(images, Labelling(labels, splits, tuple(str(name) for name in train.classes)))

    return read


def _read_split(kind: str, place: tuple[Path, str], root: Path, *, train: bool) -> Any:
    from torchvision import datasets

    open_set = getattr(datasets, kind)
    try:
        with contextlib.suppress(RuntimeError):  # not downloaded yet
            return open_set(root, train=train)
        if not DOWNLOADS.get():
            raise FileNotFoundError("downloads are switched off")
        return _download(open_set, root, train=train)
    except Exception as error:  # the network, the disk and the files themselves fail in many ways
        raise DataError(
            f"torchvision's {kind} is neither in {root} nor could it be downloaded ({first_line(error).rstrip(':')}); "
            f"put {place[1]} into {place[0]}, or set data_root to the folder that has it."
        ) from error


def _download(open_set: Callable[..., Any], root: Path, *, train: bool) -> Any:
    root.mkdir(parents=True, exist_ok=True)
    # The lock: torchvision writes files under their final names, and another process would take them for complete. It
    # downloads and unpacks only missing files, and reports that on the standard output.
    with (
        socket_timeout(NETWORK_SECONDS),
        FileLock(root / "download.lock"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        return open_set(root, train=train, download=True)


_IDX = ", ".join(f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))

SOURCES = {
    "digits": Source("scikit-learn: load_digits", _digits),
    "mnist": Source("torchvision: MNIST", _torchvision("MNIST", "MNIST/raw", _IDX)),
    "fashion-mnist": Source("torchvision: FashionMNIST", _torchvision("FashionMNIST", "FashionMNIST/raw", _IDX)),
    "cifar10": Source("torchvision: CIFAR10", _torchvision("CIFAR10", "", "cifar-10-python.tar.gz")),
}
