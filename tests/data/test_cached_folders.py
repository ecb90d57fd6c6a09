"""Folders loaded again, from the cache of scaled images."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from image_folders import cache_files, fill, load
from lrstudy.data import gather
from lrstudy.errors import DataError

LOAD = """
import sys
from lrstudy.data import load
if __name__ == "__main__":
    data = load(sys.argv[1], data_root=None, image_size=8, fit="pad", bad_images="error", split_seed=0)
    print(data.digest)
"""


@pytest.fixture
def loading(tmp_path: Path) -> list[str]:
    """A command that loads the folder named after it."""
    (tmp_path / "loading.py").write_text(LOAD)
    return [sys.executable, str(tmp_path / "loading.py")]


class TestTheCache:
    @pytest.fixture(autouse=True)
    def _path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))

    def test_serves_a_second_load_without_decoding(self, pets: Path, capfd: pytest.CaptureFixture[str]) -> None:
        first = load(pets)
        assert "decoding 20 images" in capfd.readouterr().err
        second = load(pets)
        assert "decoding" not in capfd.readouterr().err
        assert isinstance(second.images, np.memmap)
        assert np.array_equal(first.images, second.images)
        assert first.digest == second.digest

    @pytest.mark.parametrize("change", ["change", "add", "remove", "touch"])
    def test_notices_a_changed_added_or_removed_file(
        self, change: str, pets: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        load(pets)
        capfd.readouterr()
        match change:
            case "change":
                Image.new("RGB", (10, 9), (7, 7, 7)).save(pets / "cat" / "0.png")
            case "add":
                Image.new("RGB", (10, 9), (7, 7, 7)).save(pets / "cat" / "extra.png")
            case "remove":
                (pets / "cat" / "0.png").unlink()
            case "touch":  # another picture with the old one's size and time of change
                old = (pets / "cat" / "0.png").stat()
                content = bytearray((pets / "cat" / "0.png").read_bytes())
                content[-1] ^= 1
                (pets / "cat" / "0.png").write_bytes(bytes(content))
                os.utime(pets / "cat" / "0.png", ns=(old.st_atime_ns, old.st_mtime_ns))
        load(pets, bad_images="skip")
        assert "decoding" in capfd.readouterr().err
        assert len(cache_files()) == 1

    def test_rebuilds_an_entry_that_was_damaged(self, pets: Path) -> None:
        digest = load(pets).digest
        (entry,) = cache_files()
        entry.write_bytes(b"half")
        assert load(pets).digest == digest
        for name, damage in (("entry.json", b"{"), ("sums.npy", b""), ("sums.npy", b"PK\x03\x04")):
            (entry.parent / name).write_bytes(damage)
            assert load(pets).digest == digest
        np.save(entry.parent / "sums.npy", np.zeros((3, 2, 3), np.uint64))
        assert load(pets).mean != (0, 0, 0)

    def test_is_built_once_by_two_processes_that_start_together(self, pets: Path, loading: list[str]) -> None:
        fill(pets / "cat", 300)
        both = [
            subprocess.Popen([*loading, str(pets)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = [process.communicate() for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert said[0][0] == said[1][0]
        assert sum("images took" in err for _, err in said) == 1

    def test_ignores_the_leftovers_of_a_killed_build(self, pets: Path, loading: list[str]) -> None:
        fill(pets / "cat", 3000)
        with subprocess.Popen(
            [*loading, str(pets)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as killed:
            deadline = time.monotonic() + 60
            while not cache_files() and time.monotonic() < deadline:
                time.sleep(0.005)
            killed.send_signal(signal.SIGKILL)
        assert "unfinished" in str(cache_files()[0])
        data = load(pets)
        assert (data.images[:, 4, 4] != 0).any(axis=1).all()
        assert "unfinished" not in str(cache_files())

    def test_that_cannot_be_written_is_one_sentence(self, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (pets.parent / "a file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(pets.parent / "a file"))
        with pytest.raises(DataError, match=r"cannot be written \(Not a directory\).*XDG_CACHE_HOME"):
            load(pets)

    def test_leaves_no_process_behind(self, pets: Path) -> None:
        import psutil

        before = set(psutil.Process().children())
        load(pets)
        left = [child.cmdline() for child in set(psutil.Process().children()) - before]
        # Python's own tracker of shared resources stays until its parent ends.
        assert [command for command in left if command and "resource_tracker" not in command[-1]] == []


def test_gathered_rows_are_those_of_the_array_and_leave_no_pages_resident(tmp_path: Path) -> None:
    import psutil

    shape = (3000, 256, 256, 3)  # 590 MB
    stored = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=shape)
    stored[::7, 0, 0, 0] = np.arange(len(stored[::7])) % 251
    stored.flush()
    del stored
    images = np.memmap(tmp_path / "pixels", np.uint8, "r", shape=shape)
    before = psutil.Process().memory_info().rss
    for start in range(0, 3000, 100):
        rows = np.arange(start, start + 100)
        assert np.array_equal(gather(images, rows)[:, 0, 0, 0], np.where(rows % 7 == 0, rows // 7 % 251, 0))
    assert psutil.Process().memory_info().rss - before < 100 * 2**20
