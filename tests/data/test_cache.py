"""The cache of scaled images, without images: entries that are used, rebuilt and removed."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lrstudy.data.cache import ENTRY, PIXELS, SUMS, BuiltPixels, ScaledImages, load_or_build
from lrstudy.data.records import BadImage
from lrstudy.errors import DataError

PIXEL_VALUES = np.arange(3 * 2 * 2 * 1, dtype=np.uint8).reshape(3, 2, 2, 1)


class Builder:
    """Writes `PIXEL_VALUES` and counts how often it was asked to."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self, target: Path) -> BuiltPixels:
        self.built += 1
        target.write_bytes(PIXEL_VALUES.tobytes())
        return BuiltPixels(PIXEL_VALUES.shape, np.zeros((3, 2, 1), np.uint64), {1: BadImage("a/1.png", "torn")})


@pytest.fixture
def build() -> Builder:
    return Builder()


def ask(root: Path, build: Callable[[Path], BuiltPixels], state: str = "state") -> ScaledImages:
    return load_or_build(root, "what", state, build)


def is_right(found: ScaledImages) -> bool:
    return np.array_equal(found.images, PIXEL_VALUES) and found.bad == {1: BadImage("a/1.png", "torn")}


def test_an_entry_is_built_once_and_cannot_be_written_to(build: Builder, tmp_path: Path) -> None:
    assert is_right(ask(tmp_path, build))
    found = ask(tmp_path, build)
    assert is_right(found)
    assert build.built == 1
    with pytest.raises(ValueError, match="read-only"):
        found.images[0] = 0


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def scramble(path: Path) -> None:
    path.write_bytes(b"PK\3\4 scrambled" + bytes(len(path.read_bytes())))


def replace_by_list(path: Path) -> None:
    path.write_text(json.dumps([1, 2]))


def replace_by_other_sums(path: Path) -> None:
    np.save(path, np.zeros((1, 2, 1), np.uint64))


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        *((name, harm) for name in (PIXELS, SUMS, ENTRY) for harm in (truncate, scramble, Path.unlink)),
        *((name, lambda path: path.write_bytes(b"")) for name in (PIXELS, SUMS, ENTRY)),
        (ENTRY, replace_by_list),
        (SUMS, replace_by_other_sums),
    ],
)
def test_a_damaged_entry_is_built_again(
    name: str, harm: Callable[[Path], object], build: Builder, tmp_path: Path
) -> None:
    ask(tmp_path, build)
    harm(tmp_path / "what" / "state" / name)
    assert is_right(ask(tmp_path, build))
    assert is_right(ask(tmp_path, build))
    assert build.built == 2


def test_a_newer_state_takes_the_place_of_the_older_whose_readers_read_on(build: Builder, tmp_path: Path) -> None:
    older = ask(tmp_path, build, "older")
    (tmp_path / "what" / "unfinished-1").mkdir()
    ask(tmp_path, build, "newer")
    assert sorted(path.name for path in (tmp_path / "what").iterdir()) == ["lock", "newer"]
    assert is_right(older)


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(target: Path) -> BuiltPixels:
        target.write_bytes(b"some")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path, fail)
    assert [path.name for path in (tmp_path / "what").iterdir()] == ["lock"]


def test_an_entry_is_built_again_if_the_cache_is_deleted_meanwhile(build: Builder, tmp_path: Path) -> None:
    def build_twice(target: Path) -> BuiltPixels:
        if not build.built:
            shutil.rmtree(tmp_path / "cache")
            build.built = 1
            target.write_bytes(b"")
        return build(target)

    assert is_right(ask(tmp_path / "cache", build_twice))
    assert is_right(ask(tmp_path / "cache", build))
    assert build.built == 2


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    def fill_up(target: Path) -> BuiltPixels:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\); free some space") as rejected:
        ask(tmp_path, fill_up)
    assert "\n" not in str(rejected.value)
