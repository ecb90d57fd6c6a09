"""Data sets that another machine has sent, in the cache: `received/<digest of the pixels>.pixels` and `<digest>.data`.

A driver sends a data set to machines of a cluster that cannot read it by themselves.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lrstudy import cache_paths
from lrstudy.data.records import ImageData

ROWS_PER_WRITE = 4096
BYTES_PER_READ = 2**22


@dataclass(frozen=True)
class SentData:
    """A data set to send: its digest, the file of its pixels with the SHA-256 digest of it, and all else, pickled."""

    digest: str
    pixels: Path
    pixels_digest: str
    description: bytes


def prepare_to_send(data: ImageData, target: Path) -> SentData:
    """Return a data set in a form that can be sent; pixels that are not in a file are written into `target`."""
    pixels = _file_of(data.images)
    if pixels is None:
        pixels = target / "pixels"
        with pixels.open("wb") as file:
            for start in range(0, len(data.images), ROWS_PER_WRITE):
                file.write(data.images[start : start + ROWS_PER_WRITE].tobytes())
    description = pickle.dumps((data.images.shape, replace(data, images=data.images[:0].copy())))
    return SentData(data.digest, pixels, file_digest(pixels), description)


def pixels_path(pixels_digest: str) -> Path:
    """Return the path of received pixels."""
    return folder() / f"{pixels_digest}.pixels"


def part_path(pixels_digest: str, sender: str) -> Path:
    """Return the path of pixels that `sender` has begun to send, in a folder that exists."""
    folder().mkdir(parents=True, exist_ok=True)
    return folder() / f"{pixels_digest}.{sender}.part"


def finish(part: Path | None, sent: SentData) -> str:
    """Keep a data set that has arrived, with the pixels in `part`, or those that are here; return the problem, if any.

    Parts that other senders did not complete are removed.
    """
    if part is not None:
        if (arrived := file_digest(part)) != sent.pixels_digest:
            part.unlink()
            return f"the pixels arrived with the digest {arrived[:8]}, not {sent.pixels_digest[:8]}"
        part.replace(pixels_path(sent.pixels_digest))
        for other in folder().glob(f"{sent.pixels_digest}.*.part"):
            other.unlink(missing_ok=True)
    unfinished = folder() / f"{sent.digest}.{os.getpid()}"
    unfinished.write_bytes(pickle.dumps((sent.pixels_digest, sent.description)))
    unfinished.replace(folder() / f"{sent.digest}.data")
    return ""


def read(digest: str) -> ImageData | None:
    """Return the received data set with this digest; None if there is none."""
    with suppress(OSError):
        content = (folder() / f"{digest}.data").read_bytes()
        pixels_digest, description = pickle.loads(content)  # noqa: S301 - written by `finish` on this machine
        shape, data = pickle.loads(description)  # noqa: S301
        images = np.memmap(pixels_path(pixels_digest), np.uint8, "r", shape=shape)
        received: ImageData = replace(data, images=images)
        return received
    return None


def file_digest(path: Path) -> str:
    """Return the SHA-256 digest of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def chunks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of a file, with the position of each."""
    with path.open("rb") as file:
        offset = 0
        while part := file.read(BYTES_PER_READ):
            yield offset, part
            offset += len(part)


def folder() -> Path:
    """Return the folder of received data."""
    return cache_paths.cache_folder() / "received"


def _file_of(images: np.ndarray) -> Path | None:
    """Return the file that holds exactly these images, row after row, if there is one."""
    if isinstance(images, np.memmap) and images.filename and images.offset == 0:
        path = Path(images.filename)
        with suppress(FileNotFoundError):  # it was renamed since, or deleted
            return path if path.stat().st_size == images.size else None
    return None
