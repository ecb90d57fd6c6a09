"""The data sets that have a name: scikit-learn's digits, and torchvision's."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from lrstudy.data.splitting import SPLITS, Labelling
from lrstudy.errors import DataError

NETWORK_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class Arrays:
    """A data set in memory: its images, uint8 `(n, side, side, channels)`, and what they are labelled with."""

    images: np.ndarray
    labelling: Labelling


@dataclass(frozen=True)
class Source:
    """A named data set: where it comes from, and the function that reads it from a folder that may hold it."""

    origin: str
    read: Callable[[Path], Arrays]


def _digits(_: Path) -> Arrays:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    return Arrays(images, Labelling(labels, np.full(len(images), ""), tuple("0123456789")))


def _torchvision(kind: str, folder: str, files: str) -> Callable[[Path], Arrays]:
    """A reader of torchvision's class `kind`, whose own test set stays the held-out test set."""

    def read(root: Path) -> Arrays:
        train, test = (_part(kind, (root / folder, files), root, train=train) for train in (True, False))
        images = np.concatenate([np.asarray(part.data) for part in (train, test)])
        labels = np.concatenate([np.asarray(part.targets, dtype=np.int64) for part in (train, test)])
        parts = np.repeat([SPLITS[0], SPLITS[2]], [len(train.targets), len(test.targets)])
        images = images if images.ndim == 4 else images[..., None]
        return Arrays(images, Labelling(labels, parts, tuple(str(one) for one in train.classes)))

    return read


def _part(kind: str, place: tuple[Path, str], root: Path, *, train: bool) -> Any:
    from torchvision import datasets

    make = getattr(datasets, kind)
    try:
        with contextlib.suppress(RuntimeError):  # not there
            return make(root, train=train)
        return _download(make, root, train=train)
    except Exception as error:  # the network, the disk and the files themselves fail in many ways
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"torchvision's {kind} is neither in {root} nor could it be downloaded ({reason[0].rstrip(':')}); "
            f"put {place[1]} into {place[0]}, or give the folder that has it as data_root."
        ) from error


def _download(make: Callable[..., Any], root: Path, *, train: bool) -> Any:
    root.mkdir(parents=True, exist_ok=True)
    waited = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_SECONDS)
    try:
        # torchvision writes to the files' last names, where another process would take them for whole; it downloads or
        # unpacks only what is not there, and tells of it on the standard output.
        with FileLock(root / "download.lock"), contextlib.redirect_stdout(io.StringIO()):
            return make(root, train=train, download=True)
    finally:
        socket.setdefaulttimeout(waited)


_IDX = ", ".join(f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))

SOURCES = {
    "digits": Source("scikit-learn: load_digits", _digits),
    "mnist": Source("torchvision: MNIST", _torchvision("MNIST", "MNIST/raw", _IDX)),
    "fashion-mnist": Source("torchvision: FashionMNIST", _torchvision("FashionMNIST", "FashionMNIST/raw", _IDX)),
    "cifar10": Source("torchvision: CIFAR10", _torchvision("CIFAR10", "", "cifar-10-python.tar.gz")),
}
