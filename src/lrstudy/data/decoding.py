"""Decode and scale all images of a list, on all cores, into one file, and find those that are broken."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path
from typing import TypeVar

import numpy as np

from lrstudy.compat.processes import limit_memory, silence_stderr
from lrstudy.crash_safe_pool import CrashSafePool, WorkerDied, imap_unordered
from lrstudy.data.pixels import channel_sums
from lrstudy.data.value_ranges import Extent, Ranges
from lrstudy.errors import DataError

# Images per task: enough that handing them over costs little beside decoding them. Small sets are split into at least
# MIN_TASKS_PER_PROCESS tasks per process, so that their large images are spread over all processes.
MAX_IMAGES_PER_TASK = 64
MIN_TASKS_PER_PROCESS = 4
# An image that takes longer was made to: a photograph of 100 megapixels takes a few seconds.
MAX_SECONDS_PER_IMAGE = 30.0
# Enough for an image of 100 megapixels.
MIN_MEMORY = 2 * 2**30
CHANNELS = 3

Chunk = list[tuple[int, str]]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class DecodedImage:
    """The image of row `row`: its channels' sums and whether it is grey, or the reason why it is broken.

    `transient` is True if the machine may be the reason, not the image. `extent` and `profile_ignored` are those
    of `SquareImage`.
    """

    row: int
    sums: np.ndarray | None
    grey: bool
    reason: str | None
    transient: bool = False
    extent: Extent | None = None
    profile_ignored: bool = False


@dataclass(frozen=True)
class DecodeJob:
    """The folder to decode, and the file `target` for its pixels: row after row, uint8 `(side, side, 3)`.

    `ranges` are those of `read_square`.
    """

    folder: str
    target: str
    side: int
    fit: str
    ranges: Ranges = field(default_factory=dict)


def create_target(job: DecodeJob, images: int) -> None:
    """Create the job's file with room for the pixels of that many images."""
    with open(job.target, "wb") as file:  # noqa: PTH123
        file.truncate(images * job.side**2 * CHANNELS)


def decode_all(
    job: DecodeJob, numbered: Sequence[tuple[int, str]], processes: int, progress: Callable[[int], None]
) -> Iterator[DecodedImage]:
    """Decode files of the job's folder, and yield the result for each image, in the order they end.

    An image that crashes its decoder or takes too long costs the process that decodes it, not the others: all images
    of the same task are tried again one by one, which finds the culprit.

    Args:
        job: the folder and the target, which exists.
        numbered: the images' rows in the target, and their paths within the job's folder.
        processes: the number of processes that decode.
        progress: called with the number of images that were decoded since the last call.

    Raises:
        DataError: the processes do not start.
    """
    with decoding_pool(processes) as pool:
        for chunk, images in map_chunks(pool, partial(_decode_chunk, job, MAX_SECONDS_PER_IMAGE), numbered):
            progress(len(chunk))
            yield from [_fatal_image(*chunk[0], images)] if isinstance(images, WorkerDied) else images


def map_chunks(
    pool: CrashSafePool, decode: Callable[[Chunk], Answer], numbered: Sequence[tuple[int, str]], spare: int = 0
) -> Iterator[tuple[Chunk, Answer | WorkerDied]]:
    """Yield chunks of files with what `decode` returns for them, or a single file with the death of its process.

    Args:
        pool: the processes that decode.
        decode: called with each chunk, in a process.
        numbered: the files' numbers and paths.
        spare: that of `imap_unordered`.
    """
    size = min(MAX_IMAGES_PER_TASK, ceil(len(numbered) / (pool.max_workers * MIN_TASKS_PER_PROCESS)))
    chunks = deque(list(numbered[start : start + size]) for start in range(0, len(numbered), size))
    for chunk, answer in imap_unordered(pool, decode, chunks, spare):
        if isinstance(answer, WorkerDied) and len(chunk) > 1:
            chunks.extendleft([image] for image in chunk)
        else:
            yield chunk, answer


@contextmanager
def decoding_pool(processes: int) -> Iterator[CrashSafePool]:
    """Yield processes that decode images; together they get no more memory than the machine has.

    Raises:
        DataError: the processes do not start.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    share = max(physical // processes, MIN_MEMORY)
    try:
        with CrashSafePool(processes, multiprocessing.get_context("spawn"), _prepare_process, (share,)) as pool:
            yield pool
    except BrokenExecutor as error:
        raise DataError("the processes that decode images do not start; is there memory for them?") from error


def _prepare_process(memory: int) -> None:
    silence_stderr()
    limit_memory(memory)


def _fatal_image(row: int, _: str, death: WorkerDied) -> DecodedImage:
    return DecodedImage(row, None, False, reason_of_death(death), transient=True)


def reason_of_death(death: WorkerDied) -> str:
    """Return the reason why an image cannot be used whose process died."""
    slow = f"it takes more than {MAX_SECONDS_PER_IMAGE:.0f} s to decode"
    return slow if death.signal == signal.SIGALRM else "its decoder crashes, or runs out of memory"


def _decode_chunk(job: DecodeJob, seconds: float, chunk: Chunk) -> list[DecodedImage]:
    target = os.open(job.target, os.O_WRONLY)
    try:
        return [_decode_in_time(job, seconds, target, row, path) for row, path in chunk]
    finally:
        os.close(target)


def _decode_in_time(job: DecodeJob, seconds: float, target: int, row: int, path: str) -> DecodedImage:
    with ending_after(seconds):
        return _decode(job, target, row, path)


@contextmanager
def ending_after(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer, since nothing less stops a decoder that is written in C."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _decode(job: DecodeJob, target: int, row: int, path: str) -> DecodedImage:
    from lrstudy.data.image_preprocessing import BrokenImageError, read_square

    try:
        image = read_square(str(Path(job.folder, path)), job.side, job.fit, job.ranges)
    except BrokenImageError as error:
        return DecodedImage(row, None, False, str(error), transient=isinstance(error.__cause__, MemoryError))
    # Not by a memory map, whose pages would count as this process's memory.
    pixels = image.pixels
    if os.pwrite(target, pixels.tobytes(), row * pixels.size) < pixels.size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    grey = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
    sums = channel_sums(pixels[None])[0]
    return DecodedImage(row, sums, grey, None, extent=image.extent, profile_ignored=image.profile_ignored)


def drop_colour(path: Path, pixels: int) -> None:
    """Rewrite a file of RGB pixels whose three channels are equal as a file of a single channel."""
    read, written = 0, 0
    with path.open("r+b") as file:
        while chunk := os.pread(file.fileno(), MAX_IMAGES_PER_TASK * pixels * CHANNELS, read):
            read += len(chunk)
            written += os.pwrite(file.fileno(), chunk[::CHANNELS], written)
        file.truncate(written)
