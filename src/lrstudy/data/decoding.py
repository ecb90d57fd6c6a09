"""Decodes and scales every image of a list, on every core, into one file; finds all that are broken."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures import TimeoutError as TookTooLong
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pebble import ProcessExpired, ProcessPool

from lrstudy.data.pixels import channel_sums
from lrstudy.errors import DataError

# Images a process is given at once: enough that handing them over costs little beside decoding them.
CHUNK = 64
# No image takes so long that is not made to: a photograph of 100 megapixels takes a few seconds.
SECONDS_AN_IMAGE = 30.0
# A chunk that takes longer is tried again image by image, each with its own time: this need not be generous.
SECONDS_A_CHUNK = 60.0
CHANNELS = 3

Pending = Future[list["Decoded"]]


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
class Job:
    """What to decode, and where its pixels go: row after row, uint8 `(side, side, 3)`, into the file `target`."""

    folder: str
    target: str
    side: int
    fit: str


def decode_all(job: Job, paths: Sequence[str], cores: int, done: Callable[[int], None]) -> Iterator[Decoded]:
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
    # Not forked, since a copy of a process that has threads, as this may, can hang on their locks.
    spawn = multiprocessing.get_context("spawn")
    numbered = list(enumerate(paths))
    chunks = [numbered[start : start + CHUNK] for start in range(0, len(numbered), CHUNK)]
    pool = ProcessPool(min(cores, len(chunks)), initializer=_begin_worker, context=spawn)
    try:
        waiting: dict[Pending, list[tuple[int, str]]] = {_schedule(pool, job, chunk): chunk for chunk in chunks}
        while waiting:
            again: dict[Pending, list[tuple[int, str]]] = {}
            for future in as_completed(list(waiting)):
                chunk = waiting.pop(future)
                fates = _fates(future, chunk)
                if fates is None:
                    again |= {_schedule(pool, job, [one]): [one] for one in chunk}
                    continue
                done(len(chunk))
                yield from fates
            waiting = again
        pool.close()  # type: ignore[no-untyped-call]
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _schedule(pool: ProcessPool, job: Job, chunk: list[tuple[int, str]]) -> Pending:
    seconds = SECONDS_AN_IMAGE if len(chunk) == 1 else SECONDS_A_CHUNK
    return pool.schedule(_decode_chunk, args=[job, chunk], timeout=seconds)


def _fates(future: Pending, chunk: list[tuple[int, str]]) -> list[Decoded] | None:
    """What became of a chunk; None if one of its several images took the process down, so that all are open."""
    try:
        return future.result()
    except ProcessExpired:
        reason = "its decoder crashes, or runs out of memory"
    except BrokenProcessPool as error:
        raise DataError(
            "the processes that decode images cannot be started from this kind of Python program"
        ) from error
    except TookTooLong:
        reason = f"it takes more than {SECONDS_AN_IMAGE:.0f} s to decode"
    return [Decoded(chunk[0][0], None, False, reason, passing=True)] if len(chunk) == 1 else None


def _begin_worker() -> None:
    """Leaves Ctrl-C to the parent, and keeps what C libraries say of damaged files off the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _decode_chunk(job: Job, chunk: list[tuple[int, str]]) -> list[Decoded]:
    target = os.open(job.target, os.O_WRONLY)
    try:
        return [_decode(job, target, row, path) for row, path in chunk]
    finally:
        os.close(target)


def _decode(job: Job, target: int, row: int, path: str) -> Decoded:
    from lrstudy.data.letterbox import BrokenImageError, read_square

    try:
        image = read_square(str(Path(job.folder, path)), job.side, job.fit)
    except BrokenImageError as error:
        return Decoded(row, None, False, str(error))
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
