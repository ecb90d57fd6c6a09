"""Decode files into the images that a network takes, in processes that do not import PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lrstudy.crash_safe_pool import CrashSafePool, WorkerDied
from lrstudy.data.decoding import MAX_SECONDS_PER_IMAGE, Chunk, ending_after, map_chunks, reason_of_death
from lrstudy.data.image_format import ImageFormat
from lrstudy.data.image_preprocessing import BrokenImageError


@dataclass(frozen=True, eq=False)
class DecodedFiles:
    """Some files: the images of the `rows` that could be decoded, and the reasons why others are broken.

    `rows` is int64 `(n,)`, `pixels` uint8 `(n, side, side, channels)`.
    """

    rows: np.ndarray
    pixels: np.ndarray
    broken: Mapping[int, str]

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.rows) + len(self.broken)


def decode_files(
    folder: Path, paths: Sequence[str], image_format: ImageFormat, pool: CrashSafePool
) -> Iterator[DecodedFiles]:
    """Yield the files of a folder, some at a time, in the order in which they are decoded."""
    decode = partial(_decode_chunk, folder, image_format, MAX_SECONDS_PER_IMAGE)
    for chunk, decoded in map_chunks(pool, decode, list(enumerate(paths)), spare=pool.max_workers):
        if isinstance(decoded, WorkerDied):
            decoded = _files(image_format, {}, {chunk[0][0]: reason_of_death(decoded)})
        yield decoded


def _decode_chunk(folder: Path, image_format: ImageFormat, seconds: float, chunk: Chunk) -> DecodedFiles:
    images: dict[int, np.ndarray] = {}
    broken: dict[int, str] = {}
    for row, path in chunk:
        try:
            with ending_after(seconds):
                images[row] = image_format.read_file(str(folder / path))
        except BrokenImageError as error:
            broken[row] = str(error)
    return _files(image_format, images, broken)


def _files(image_format: ImageFormat, images: Mapping[int, np.ndarray], broken: Mapping[int, str]) -> DecodedFiles:
    shape = (len(images), image_format.side, image_format.side, image_format.channels)
    pixels = np.stack(list(images.values())) if images else np.empty(shape, np.uint8)
    return DecodedFiles(np.array(list(images), np.int64), pixels, broken)
