"""Scaled images on disk, found by a digest of everything they are made from, built once, and never used unfinished.

`images/<scaled files and settings>/<state of the files>/` holds `pixels` (uint8, row after row), `sums.npy` and
`entry.json`. An entry is built under another name and renamed when it is complete; a lock keeps other builders waiting.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from lrstudy.data.pixels import gather
from lrstudy.data.records import BadImage
from lrstudy.data.value_ranges import Ranges
from lrstudy.errors import CacheError

PIXELS, SUMS, ENTRY = "pixels", "sums.npy", "entry.json"
ROWS_PER_HASH = 1024
SECONDS_UNTIL_MESSAGE = 0.5
# The user may delete the cache at any time, also while an entry is built.
MAX_BUILDS = 3


@dataclass(frozen=True, eq=False)
class ScaledImages:
    """Scaled images: `images` uint8 `(n, side, side, channels)`, memory-mapped; `sums`, their `channel_sums`.

    `bad` are the rows without an image, with the reasons; `digest` is of the pixels of all other rows. `remarks` are
    sentences on how the files' pixels were read, and `ranges` the values that became black and white.
    """

    images: np.ndarray
    sums: np.ndarray
    bad: dict[int, BadImage]
    digest: str
    remarks: tuple[str, ...] = ()
    ranges: Ranges = field(default_factory=dict)


@dataclass(frozen=True)
class BuiltPixels:
    """A builder's description of the pixels that it wrote: their shape, the images' sums, and the rows without one.

    `remarks` are sentences on how the files' pixels were read, and `ranges` the values that became black and white.
    With `transient`, a reason may be gone the next time, such as too little time or memory: the entry is not kept.
    """

    shape: tuple[int, int, int, int]
    sums: np.ndarray
    bad: dict[int, BadImage]
    remarks: tuple[str, ...] = ()
    transient: bool = False
    ranges: Ranges = field(default_factory=dict)


def key(parts: Iterable[object]) -> str:
    """Return a digest of `parts`, 32 hex digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def array_digest(array: np.ndarray) -> str:
    """Return a digest of an array's shape and content, 32 hex digits."""
    return hashlib.sha256(repr((array.shape, array.dtype.str)).encode() + array.tobytes()).hexdigest()[:32]


def load_or_build(root: Path, name: str, state: str, build: Callable[[Path], BuiltPixels]) -> ScaledImages:
    """Return the images called `name` in the state `state` from the cache in `root`; build them first if necessary.

    Args:
        root: the cache's folder.
        name: a `key` of the files and the scaling; older states of the same name are removed.
        state: a `key` of everything else that the pixels depend on.
        build: writes the pixels to the given file.

    Raises:
        CacheError: the cache cannot be written.
    """
    folder = root / name
    if (existing := _read(folder / state)) is not None:
        return existing
    try:
        for _ in range(MAX_BUILDS - 1):
            with suppress(FileNotFoundError):
                return _read_or_build(folder, state, build)
        return _read_or_build(folder, state, build)
    except OSError as error:
        raise CacheError(
            f"the cache of scaled images in {root} cannot be written ({error.strerror or error}); "
            f"free some space there, or set the environment variable XDG_CACHE_HOME to another folder."
        ) from error


@contextmanager
def _hold(lock: FileLock) -> Iterator[None]:
    """Hold `lock`; print a message if another run holds it, which may take as long as all the decoding."""
    try:
        lock.acquire(timeout=SECONDS_UNTIL_MESSAGE)
    except Timeout:
        print("waiting for another run, which is decoding the same images", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read_or_build(folder: Path, state: str, build: Callable[[Path], BuiltPixels]) -> ScaledImages:
    folder.mkdir(parents=True, exist_ok=True)
    with _hold(FileLock(folder / "lock")):
        return _read_or_build_locked(folder, state, build)


def _read_or_build_locked(folder: Path, state: str, build: Callable[[Path], BuiltPixels]) -> ScaledImages:
    if (existing := _read(folder / state)) is not None:  # built by another process while this one waited
        return existing
    for outdated in (path for path in folder.iterdir() if path.is_dir()):
        # Older states, and leftovers of a killed process. Processes that have such a file open keep it until they end.
        shutil.rmtree(outdated, ignore_errors=True)
    unfinished = folder / f"unfinished-{os.getpid()}"
    unfinished.mkdir()
    try:
        built = build(unfinished / PIXELS)
        images = _write(unfinished, built)
        if not built.transient:
            unfinished.rename(folder / state)
        return images
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(folder: Path, built: BuiltPixels) -> ScaledImages:
    images = np.memmap(folder / PIXELS, np.uint8, "r", shape=built.shape)
    digest = _digest(images, built.bad)
    np.save(folder / SUMS, built.sums)
    bad = {str(row): asdict(image) for row, image in built.bad.items()}
    entry = {"shape": built.shape, "bad": bad, "digest": digest, "remarks": built.remarks, "ranges": built.ranges}
    (folder / ENTRY).write_text(json.dumps(entry), encoding="utf-8")
    for name in (PIXELS, SUMS, ENTRY):
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
    return ScaledImages(images, built.sums, built.bad, digest, built.remarks, built.ranges)


def _read(folder: Path) -> ScaledImages | None:
    """Return the entry in `folder`; None if it does not exist or is damaged, which causes many kinds of errors."""
    try:
        entry = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        images = np.memmap(folder / PIXELS, np.uint8, "r", shape=tuple(entry["shape"]))
        with (folder / SUMS).open("rb") as file:  # np.load would not close the file when it fails
            sums = np.load(file, allow_pickle=False)
        bad = {int(row): BadImage(**image) for row, image in entry["bad"].items()}
        valid = (folder / PIXELS).stat().st_size == images.size and sums.shape == (len(images), 2, images.shape[3])
        remarks = tuple(entry["remarks"])
        # Earlier versions wrote no ranges; without a remark there are none.
        ranges = {kind: (black, white) for kind, (black, white) in (entry["ranges"] if remarks else {}).items()}
        return ScaledImages(images, sums, bad, str(entry["digest"]), remarks, ranges) if valid else None
    except Exception:
        return None


def _digest(images: np.ndarray, bad: dict[int, BadImage]) -> str:
    good = np.setdiff1d(np.arange(len(images)), list(bad))
    digest = hashlib.sha256(repr(images.shape[1:]).encode())
    for start in range(0, len(good), ROWS_PER_HASH):
        digest.update(gather(images, good[start : start + ROWS_PER_HASH]).tobytes())
    return digest.hexdigest()[:32]
