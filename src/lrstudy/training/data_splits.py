"""The splits of the data as batches of normalised images, in memory if they fit."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lrstudy.data import gather

# A split of normalised images up to this size is kept in memory; of larger ones, each batch is normalised when used.
MAX_BYTES_IN_MEMORY = 256 * 2**20
IMAGES_PER_CHUNK = 4096


class Normalise(nn.Module):
    """Normalisation of stored images, uint8 `(N, side, side, channels)`, to float32 `(N, channels, side, side)`.

    The given mean is subtracted from each channel, which is divided by the given deviation, in units of 0 to 255.
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
        """Return the number of images."""

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return normalised images, float32 `(len(rows), channels, side, side)`, and labels, on the device.

        Args:
            rows: int64 positions within the split, on the CPU.
        """


class InMemorySplit:
    """A split that is kept normalised on the device, with the channels first or last in memory."""

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
    """A split too large for memory: its images are read from the disk, batch by batch."""

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
    """Return the split of `rows` of `images`, on the device of `normalise`.

    Args:
        images: uint8 `(N, side, side, channels)`.
        labels: int64 `(N,)`.
        rows: int64 `(n,)`.
        normalise: the images' normalisation.
        channels_last: the memory layout on which convolutions are fastest; dense layers would first copy it.
    """
    on_device = torch.from_numpy(labels[rows]).to(normalise.mean.device)
    if len(rows) * images[0].size * 4 > MAX_BYTES_IN_MEMORY:
        return StreamedSplit(images, on_device, rows, normalise)
    chunks = np.split(rows, range(IMAGES_PER_CHUNK, len(rows), IMAGES_PER_CHUNK))
    stored = [torch.from_numpy(gather(images, chunk)) for chunk in chunks]
    normalised = (normalise(chunk.to(on_device.device)) for chunk in stored)
    joined = torch.cat([chunk.permute(0, 2, 3, 1) if channels_last else chunk.contiguous() for chunk in normalised])
    return InMemorySplit(joined, on_device, channels_last=channels_last)
