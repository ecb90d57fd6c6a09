"""A part of the data as a network takes it: batches of normalised images, whole in memory where they fit."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lrstudy.data import gather

# Normalised images up to this size are kept ready; above it each batch is gathered and normalised anew.
KEPT_BYTES = 256 * 2**20
CHUNK = 4096


class Normalise(nn.Module):
    """Images as they are stored, uint8 `(N, side, side, channels)`, to float32 `(N, channels, side, side)`.

    Each channel has the given mean taken away and is divided by the given deviation, in units of 0 to 255.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        return ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)


class DataSplit(Protocol):
    """The images of training, validation or test."""

    def __len__(self) -> int:
        """The number of images."""

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images, float32 `(len(rows), channels, side, side)`, and labels `(len(rows),)`, on the device.

        Args:
            rows: int64 positions within the part, on the CPU.
        """


class InMemorySplit:
    """A part that lies normalised on the device, as batches of it are asked for or with the channels last."""

    def __init__(self, images: Tensor, labels: Tensor, *, channels_last: bool) -> None:
        self._images = images
        self._labels = labels
        self._channels_last = channels_last

    def __len__(self) -> int:
        return len(self._labels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows.to(self._labels.device)
        images = self._images[rows]
        return images.permute(0, 3, 1, 2) if self._channels_last else images, self._labels[rows]


class StreamedSplit:
    """A part too large to be kept: its images come from the disk, batch by batch."""

    def __init__(self, images: np.ndarray, labels: Tensor, rows: np.ndarray, normalise: Normalise) -> None:
        self._images = images
        self._labels = labels
        self._rows = rows
        self._normalise = normalise

    def __len__(self) -> int:
        return len(self._labels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        images = torch.from_numpy(gather(self._images, self._rows[rows.numpy()]))
        return self._normalise(images.to(self._labels.device)), self._labels[rows.to(self._labels.device)]


def load_split(
    images: np.ndarray, labels: np.ndarray, rows: np.ndarray, normalise: Normalise, *, channels_last: bool
) -> DataSplit:
    """The part made of `rows` of `images`, on the device where `normalise` lies.

    Args:
        images: uint8 `(N, side, side, channels)`.
        labels: int64 `(N,)`.
        rows: int64 `(n,)`.
        normalise: the images' normalisation.
        channels_last: how batches lie in memory: what convolutions are fastest on; dense layers would copy them first.
    """
    on_device = torch.from_numpy(labels[rows]).to(normalise.mean.device)
    if len(rows) * images[0].size * 4 > KEPT_BYTES:
        return StreamedSplit(images, on_device, rows, normalise)
    chunks = [torch.from_numpy(gather(images, some)) for some in np.split(rows, range(CHUNK, len(rows), CHUNK))]
    normalised = (normalise(chunk.to(on_device.device)) for chunk in chunks)
    whole = torch.cat([some.permute(0, 2, 3, 1) if channels_last else some.contiguous() for some in normalised])
    return InMemorySplit(whole, on_device, channels_last=channels_last)
