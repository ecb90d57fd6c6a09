"""The splits of the data as batches of normalised images, in memory if they fit."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lrstudy.data import gather
from lrstudy.training.augmentation import Augmentation, Draws, draw
from lrstudy.training.read_ahead import read_ahead

# A split of normalised images up to this size is kept in memory; of larger ones, each batch is normalised when used.
MAX_BYTES_IN_MEMORY = 256 * 2**20
# A split of stored images up to this share of a GPU's free memory is kept there.
GPU_MEMORY_SHARE = 0.5
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

    def batches(self, rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the `batch` of each of `rows`."""

    def at_epoch(self, seed: int, epoch: int) -> DataSplit:
        """Return the split as an epoch trains on it: augmented, or as it is."""


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

    def batches(self, rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        return map(self.batch, _on_device(rows, self._labels.device))

    def at_epoch(self, seed: int, epoch: int) -> DataSplit:  # noqa: ARG002 - every epoch sees the same images
        return self


class StoredSplit:
    """A split whose images are augmented, if an augmentation is given, and normalised batch by batch.

    They are kept on the device as `stored`, uint8 `(n, side, side, channels)`, or read from disk; with `reads_ahead`,
    `batches` reads the next batch while the caller uses the last one.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: Tensor,
        rows: np.ndarray,
        normalise: Normalise,
        augmentation: Augmentation | None = None,
        stored: Tensor | None = None,
        *,
        reads_ahead: bool = False,
    ) -> None:
        self._images = images
        self._labels = labels
        self._rows = rows
        self._normalise = normalise
        self._augmentation = augmentation
        self._stored = stored
        self._reads_ahead = reads_ahead
        self._draws: Draws | None = None

    def __len__(self) -> int:
        return len(self._labels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        on_device = rows.to(self._labels.device)
        return self._prepare(self._read(rows) if self._stored is None else self._stored[on_device], on_device)

    def batches(self, rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        on_device = _on_device(rows, self._labels.device)
        if self._reads_ahead:
            return map(self._prepare, read_ahead(self._read, rows), on_device)
        return map(self.batch, rows if self._stored is None else on_device)

    def _read(self, rows: Tensor) -> Tensor:
        """Return images from disk, in memory that a GPU can copy while the CPU continues, if there is one."""
        images = torch.from_numpy(gather(self._images, self._rows[rows.numpy()]))
        return images.pin_memory() if self._labels.is_cuda else images

    def _prepare(self, images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return a batch, given its images as they are stored, and its rows on the device."""
        images = images.to(rows.device, non_blocking=rows.is_cuda)
        if self._draws:
            images = self._draws.apply(images, rows)
        return self._normalise(images), self._labels[rows]

    def at_epoch(self, seed: int, epoch: int) -> DataSplit:
        if self._augmentation is None:
            return self
        augmented = copy.copy(self)
        draws = draw(self._augmentation, seed, epoch, len(self), self._images.shape[1])
        augmented._draws = draws.to(self._labels.device)
        return augmented


def load_split(
    images: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    normalise: Normalise,
    *,
    channels_last: bool,
    augmentation: Augmentation | None = None,
    gpu_memory: int | None = None,
) -> DataSplit:
    """Return the split of `rows` of `images`, on the device of `normalise`.

    Args:
        images: uint8 `(N, side, side, channels)`.
        labels: int64 `(N,)`.
        rows: int64 `(n,)`.
        normalise: the images' normalisation.
        channels_last: the memory layout on which convolutions are fastest; dense layers would first copy it.
        augmentation: of the training split; None for the other splits.
        gpu_memory: the free bytes of the GPU, which keeps stored images and normalises each batch; None without one.
    """
    on_device = torch.from_numpy(labels[rows]).to(normalise.mean.device)
    if gpu_memory is not None:
        fits = len(rows) * images[0].size <= GPU_MEMORY_SHARE * gpu_memory
        stored = _copy_to_device(images, rows, on_device.device) if fits else None
        return StoredSplit(images, on_device, rows, normalise, augmentation, stored, reads_ahead=not fits)
    bytes_per_value = 1 if augmentation else 4
    if len(rows) * images[0].size * bytes_per_value > MAX_BYTES_IN_MEMORY:
        return StoredSplit(images, on_device, rows, normalise, augmentation)
    if augmentation:
        stored = torch.from_numpy(gather(images, rows)).to(on_device.device)
        return StoredSplit(images, on_device, rows, normalise, augmentation, stored)
    decoded = [torch.from_numpy(gather(images, chunk)) for chunk in _chunks(rows)]
    normalised = (normalise(chunk.to(on_device.device)) for chunk in decoded)
    joined = torch.cat([chunk.permute(0, 2, 3, 1) if channels_last else chunk.contiguous() for chunk in normalised])
    return InMemorySplit(joined, on_device, channels_last=channels_last)


def _copy_to_device(images: np.ndarray, rows: np.ndarray, device: torch.device) -> Tensor:
    """Return rows of `images` on the device, copied in chunks."""
    copied = torch.empty((len(rows), *images.shape[1:]), dtype=torch.uint8, device=device)
    start = 0
    for chunk in _chunks(rows):
        copied[start : start + len(chunk)] = torch.from_numpy(gather(images, chunk))
        start += len(chunk)
    return copied


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return np.split(rows, range(IMAGES_PER_CHUNK, len(rows), IMAGES_PER_CHUNK))


def _on_device(rows: Sequence[Tensor], device: torch.device) -> Sequence[Tensor]:
    """Return `rows` on the device, copied together: for each copy of its own, the CPU would wait for the GPU."""
    return rows if device.type == "cpu" else torch.split(torch.cat(list(rows)).to(device), [len(part) for part in rows])
