"""Scaled images on disk: found again by what they were made from, built once, never believed when half made.

`images/<what is scaled, and how>/<state of the files>/` holds `pixels` (uint8, row after row), `sums.npy` and
`entry.json`. It is built under another name and renamed when it is whole, while a lock keeps other builders waiting.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from lrstudy.data.records import BadImage
from lrstudy.errors import DataError

PIXELS, SUMS, ENTRY = "pixels", "sums.npy", "entry.json"
HASHED_ROWS = 1024
SECONDS_UNTIL_TOLD = 0.5


@dataclass(frozen=True, eq=False)
class Scaled:
    """Scaled images: `images` uint8 `(n, side, side, channels)`, memory-mapped; each one's `channel_sums`, `sums`.

    `bad` are the rows that hold no image, with the reasons; `digest` is of the pixels of all others.
    """

    images: np.ndarray
    sums: np.ndarray
    bad: dict[int, BadImage]
    digest: str


@dataclass(frozen=True)
class Built:
    """What a builder tells of the pixels it has written: their shape, the images' sums, and the rows without one.

    `passing` says that a reason may be gone the next time, such as too little time or memory: it is not kept then.
    """

    shape: tuple[int, int, int, int]
    sums: np.ndarray
    bad: dict[int, BadImage]
    passing: bool = False


def key(parts: Iterable[object]) -> str:
    """32 hex digits that name `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def array_digest(array: np.ndarray) -> str:
    """32 hex digits of an array's shape and content."""
    return hashlib.sha256(repr((array.shape, array.dtype.str)).encode() + array.tobytes()).hexdigest()[:32]


def scaled(root: Path, what: str, state: str, build: Callable[[Path], Built]) -> Scaled:
    """The scaled images of `what` in the state `state`, from the cache in `root`, or else built into it.

    Args:
        root: the cache's folder.
        what: a `key` of what is scaled and how: of older states of the same nothing is kept.
        state: a `key` of all that the pixels depend on.
        build: writes the pixels to the file it is given.

    Raises:
        DataError: the cache cannot be written.
    """
    shelf = root / what
    if there := _read(shelf / state):
        return there
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with _waiting(FileLock(shelf / "lock")):
            return _read_or_build(shelf, state, build)
    except OSError as error:
        raise DataError(
            f"the cache of scaled images in {root} cannot be written ({error.strerror or error}); "
            f"free some space there, or name another folder in the environment variable XDG_CACHE_HOME."
        ) from error


@contextmanager
def _waiting(lock: FileLock) -> Iterator[None]:
    """Holds `lock`, and says so if another run has it, which may take as long as all the decoding."""
    try:
        lock.acquire(timeout=SECONDS_UNTIL_TOLD)
    except Timeout:
        print("another run is decoding the same images: waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read_or_build(shelf: Path, state: str, build: Callable[[Path], Built]) -> Scaled:
    if there := _read(shelf / state):  # built by another process while this one waited
        return there
    for outdated in (path for path in shelf.iterdir() if path.is_dir()):
        # Older states, and what a killed process left. Processes that have such a file open keep it until they end.
        shutil.rmtree(outdated, ignore_errors=True)
    unfinished = shelf / f"unfinished-{os.getpid()}"
    unfinished.mkdir()
    try:
        built = build(unfinished / PIXELS)
        whole = _write(unfinished, built)
        if not built.passing:
            unfinished.rename(shelf / state)
        return whole
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(folder: Path, built: Built) -> Scaled:
    images = np.memmap(folder / PIXELS, np.uint8, "r", shape=built.shape)
    digest = _digest(images, built.bad)
    np.save(folder / SUMS, built.sums)
    bad = {str(row): asdict(image) for row, image in built.bad.items()}
    entry = {"shape": built.shape, "bad": bad, "digest": digest}
    (folder / ENTRY).write_text(json.dumps(entry), encoding="utf-8")
    for name in (PIXELS, SUMS, ENTRY):
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
    return Scaled(images, built.sums, built.bad, digest)


def _read(folder: Path) -> Scaled | None:
    """The entry in `folder`; None if it is not there or damaged, which shows in many ways."""
    try:
        entry = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        images = np.memmap(folder / PIXELS, np.uint8, "r", shape=tuple(entry["shape"]))
        with (folder / SUMS).open("rb") as file:  # which np.load would leave open when it fails
            sums = np.load(file, allow_pickle=False)
        bad = {int(row): BadImage(**image) for row, image in entry["bad"].items()}
        whole = (folder / PIXELS).stat().st_size == images.size and sums.shape == (len(images), 2, images.shape[3])
        return Scaled(images, sums, bad, str(entry["digest"])) if whole else None
    except Exception:
        return None


def _digest(images: np.ndarray, bad: dict[int, BadImage]) -> str:
    from lrstudy.data.pixels import gather

    good = np.setdiff1d(np.arange(len(images)), list(bad))
    digest = hashlib.sha256(repr(images.shape[1:]).encode())
    for start in range(0, len(good), HASHED_ROWS):
        digest.update(gather(images, good[start : start + HASHED_ROWS]).tobytes())
    return digest.hexdigest()[:32]
