"""Decodes and scales every image of a list, on every core, into one file; finds all that are broken."""

from __future__ import annotations

import errno
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path

import numpy as np

from lrstudy.data.crash_safe_pool import Died, imap_unordered
from lrstudy.data.pixels import channel_sums

# Images a process is given at once: enough that handing them over costs little beside decoding them; but of few
# images, no more than leaves each process this many times its turn, so that large ones are spread over all.
CHUNK = 64
TURNS = 4
# No image takes so long that is not made to: a photograph of 100 megapixels takes a few seconds.
SECONDS_PER_IMAGE = 30.0
CHANNELS = 3

Chunk = list[tuple[int, str]]


@dataclass(frozen=True)
class Decoded:
    """What became of the image with number `row`: its channels' sums and whether it is grey, or why it is broken.

    `passing` says that the reason may be the machine's, not the image's.
    """

    row: int
    sums: np.ndarray | None
    grey: bool
    reason: str | None
    passing: bool = False


@dataclass(frozen=True)
class DecodeJob:
    """What to decode, and where its pixels go: row after row, uint8 `(side, side, 3)`, into the file `target`."""

    folder: str
    target: str
    side: int
    fit: str


def decode_all(job: DecodeJob, paths: Sequence[str], cores: int, done: Callable[[int], None]) -> Iterator[Decoded]:
    """Decodes the files `paths` of the job's folder, and yields each image's fate, in no order.

    An image that crashes its decoder or takes too long costs the process that decodes it, not the others: the images
    it was given are tried again one by one, and the culprit is known.

    Args:
        job: what to decode.
        paths: within the job's folder, in the order of their rows.
        cores: how many processes to decode in.
        done: called with a number of images whenever so many more are done.
    """
    with open(job.target, "wb") as file:  # noqa: PTH123
        file.truncate(len(paths) * job.side**2 * CHANNELS)
    numbered = list(enumerate(paths))
    size = min(CHUNK, ceil(len(paths) / (cores * TURNS)))
    chunks = deque(numbered[start : start + size] for start in range(0, len(numbered), size))
    for chunk, fates in imap_unordered(chunks, partial(_decode_chunk, job, SECONDS_PER_IMAGE), cores):
        if isinstance(fates, Died) and len(chunk) > 1:
            chunks.extendleft([one] for one in chunk)
            continue
        done(len(chunk))
        yield from [_killer(*chunk[0], fates)] if isinstance(fates, Died) else fates


def _killer(row: int, _: str, death: Died) -> Decoded:
    slow = f"it takes more than {SECONDS_PER_IMAGE:.0f} s to decode"
    reason = slow if death.signal == signal.SIGALRM else "its decoder crashes, or runs out of memory"
    return Decoded(row, None, False, reason, passing=True)


def _decode_chunk(job: DecodeJob, seconds: float, chunk: Chunk) -> list[Decoded]:
    target = os.open(job.target, os.O_WRONLY)
    try:
        return [_decode_in_time(job, seconds, target, row, path) for row, path in chunk]
    finally:
        os.close(target)


def _decode_in_time(job: DecodeJob, seconds: float, target: int, row: int, path: str) -> Decoded:
    """Ends this process when time is up: nothing less stops a decoder that is written in C."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return _decode(job, target, row, path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _decode(job: DecodeJob, target: int, row: int, path: str) -> Decoded:
    from lrstudy.data.image_preprocessing import BrokenImageError, read_square

    try:
        image = read_square(str(Path(job.folder, path)), job.side, job.fit)
    except BrokenImageError as error:
        return Decoded(row, None, False, str(error), passing=isinstance(error.__cause__, MemoryError))
    # Not through a memory map, whose pages would count as this process's memory.
    if os.pwrite(target, image.tobytes(), row * image.size) < image.size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
    return Decoded(row, channel_sums(image[None])[0], grey, None)


def drop_colour(path: Path, pixels: int) -> None:
    """Rewrites a file of RGB pixels whose three channels are the same as one of a single channel."""
    read, written = 0, 0
    with path.open("r+b") as file:
        while chunk := os.pread(file.fileno(), CHUNK * pixels * CHANNELS, read):
            read += len(chunk)
            written += os.pwrite(file.fileno(), chunk[::CHANNELS], written)
        file.truncate(written)
