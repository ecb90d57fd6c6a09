"""Loading whole data sets: folders, splits, broken images, the cache, the named sets."""

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import PHOTOS, ROOT
from lrstudy.data import ImageData, gather
from lrstudy.data import load as load_data
from lrstudy.data.sources import SOURCES
from lrstudy.errors import DataError


def load(
    folder: Path | str, bad_images: str = "error", size: int = 8, seed: int = 0, root: Path | None = None
) -> ImageData:
    return load_data(str(folder), data_root=root, image_size=size, fit="pad", bad_images=bad_images, split_seed=seed)


def fill(folder: Path, count: int = 10, colour: tuple[int, int, int] = (200, 10, 10)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (10 + number, 9), (colour[0], colour[1], number)).save(folder / f"{number}.png")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of ten images."""
    fill(tmp_path / "pets" / "cat")
    fill(tmp_path / "pets" / "dog", colour=(10, 200, 10))
    return tmp_path / "pets"


def cache_files() -> list[Path]:
    return sorted(Path(os.environ["XDG_CACHE_HOME"]).rglob("pixels"))


class TestAFolder:
    def test_is_read_with_classes_by_name_and_labels_by_class(self, pets: Path) -> None:
        data = load(pets)
        assert data.name == "pets"
        assert data.classes == ("cat", "dog")
        assert data.images.shape == (20, 8, 8, 3)
        assert data.labels.tolist() == [0] * 10 + [1] * 10
        middles = data.images[:, 4, 4, :2]
        assert (middles == [(200, 10)] * 10 + [(10, 200)] * 10).all()

    def test_is_split_70_15_15_with_every_class_in_every_part(self, pets: Path) -> None:
        data = load(pets)
        parts = [data.train, data.validation, data.test]
        assert [len(part) for part in parts] == [14, 3, 3]
        assert sorted(np.concatenate(parts)) == list(range(20))
        assert all(set(data.labels[part]) == {0, 1} for part in parts)

    def test_has_the_same_split_every_time_and_another_for_another_seed(self, pets: Path) -> None:
        assert load(pets).test.tolist() == load(pets).test.tolist() != load(pets, seed=1).test.tolist()

    def test_keeps_its_own_parts(self, tmp_path: Path) -> None:
        for part, count in (("Train", 6), ("valid", 2), ("test", 3)):
            for name in ("cat", "dog"):
                fill(tmp_path / "own" / part / name, count)
        data = load(tmp_path / "own")
        assert data.classes == ("cat", "dog")
        assert [len(part) for part in (data.train, data.validation, data.test)] == [12, 4, 6]

    def test_without_a_part_has_it_carved_from_training(self, tmp_path: Path) -> None:
        for part, count in (("train", 20), ("test", 3)):
            for name in ("cat", "dog"):
                fill(tmp_path / "own" / part / name, count)
        data = load(tmp_path / "own")
        assert [len(part) for part in (data.train, data.validation, data.test)] == [34, 6, 6]
        assert data.test.min() == 40

    def test_passes_over_a_folder_beside_its_parts_that_has_no_images(self, tmp_path: Path) -> None:
        for part in ("train", "test"):
            for name in ("cat", "dog"):
                fill(tmp_path / "own" / part / name)
        (tmp_path / "own" / "annotations").mkdir()
        (tmp_path / "own" / "train" / "stray.png").write_bytes(b"")
        data = load(tmp_path / "own")
        assert data.classes == ("cat", "dog")
        assert data.skipped_files == ("annotations", "train/stray.png")

    def test_may_have_a_class_called_train(self, tmp_path: Path) -> None:
        fill(tmp_path / "vehicles" / "train")
        fill(tmp_path / "vehicles" / "bus")
        assert load(tmp_path / "vehicles").classes == ("bus", "train")

    def test_of_grey_images_keeps_one_channel(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / "grey" / name).mkdir(parents=True)
            for number in range(10):
                Image.new("L", (9, 9), 20 * number).save(tmp_path / "grey" / name / f"{number}.png")
        data = load(tmp_path / "grey")
        assert data.images.shape == (20, 8, 8, 1)
        assert data.images[:10, 4, 4, 0].tolist() == [20 * number for number in range(10)]
        assert len(data.mean) == 1

    def test_with_one_colour_image_has_three_channels(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / "mixed" / name).mkdir(parents=True)
            for number in range(10):
                Image.new("L", (9, 9), 20 * number).save(tmp_path / "mixed" / name / f"{number}.png")
        Image.new("RGB", (9, 9), (1, 2, 3)).save(tmp_path / "mixed" / "a" / "0.png")
        assert load(tmp_path / "mixed").images.shape == (20, 8, 8, 3)

    def test_has_mean_and_deviation_of_the_training_part_alone(self, pets: Path) -> None:
        data = load(pets)
        seen = data.images[data.train].reshape(-1, 3).astype(np.float64)
        assert data.mean == pytest.approx(seen.mean(axis=0), rel=1e-12)
        assert data.std == pytest.approx(seen.std(axis=0), rel=1e-12)

    def test_passes_over_what_is_no_image_and_counts_it(self, pets: Path) -> None:
        for name in ("notes.txt", ".hidden.png", "cat/Thumbs.db", "cat/.DS_Store", "cat/read me", "dog/desktop.ini"):
            (pets / name).write_text("no image")
        (pets / ".git").mkdir()
        data = load(pets)
        assert len(data.labels) == 20
        assert len(data.skipped_files) == 7
        assert "notes.txt" in data.skipped_files

    def test_takes_an_image_without_an_images_name(self, pets: Path) -> None:
        (pets / "cat" / "0.png").rename(pets / "cat" / "scan0001")
        assert len(load(pets).labels) == 20

    def test_takes_nested_folders_odd_names_and_links_but_never_a_circle(self, pets: Path) -> None:
        (pets / "cat" / "more").mkdir()
        for name in ("with space.png", "emoji 🐈.png", "new\nline.png", os.fsdecode(b"latin \xe9.png")):
            Image.new("RGB", (5, 5), (1, 2, 3)).save(pets / "cat" / "more" / "x.png")
            (pets / "cat" / "more" / "x.png").rename(pets / "cat" / "more" / name)
        (pets / "cat" / "more" / "circle").symlink_to(pets / "cat")
        (pets / "cat" / "more" / "up").symlink_to("../..")
        (pets / "cat" / "itself").symlink_to("itself")
        (pets / "itself").symlink_to("itself")
        (pets / "dog" / "link.png").symlink_to(pets / "cat" / "0.png")
        assert len(load(pets).labels) == 25

    def test_with_the_same_content_elsewhere_has_the_same_digest(self, pets: Path, tmp_path: Path) -> None:
        import shutil

        shutil.copytree(pets, tmp_path / "copy")
        digests = {load(pets).digest, load(tmp_path / "copy").digest}
        assert len(digests) == 1
        assert load(pets, seed=1).digest not in digests
        Image.new("RGB", (9, 9)).save(tmp_path / "copy" / "cat" / "0.png")
        assert load(tmp_path / "copy").digest not in digests


class TestARefusal:
    """One clear sentence each."""

    def refused(self, folder: Path | str, match: str) -> None:
        with pytest.raises(DataError, match=match) as refused:
            load(folder)
        assert "\n" not in str(refused.value)

    def test_of_a_missing_folder(self) -> None:
        self.refused("nowhere", "data='nowhere' is neither a known data set nor a folder")

    def test_of_a_misspelt_name_says_which_is_near(self) -> None:
        self.refused("digit", "did you mean 'digits'")

    def test_of_a_file(self, pets: Path) -> None:
        self.refused(pets / "cat" / "0.png", "is a file; it must be a folder")

    def test_of_a_folder_without_classes(self, pets: Path) -> None:
        self.refused(pets / "cat", "has no folders; it must have one per class")

    def test_of_one_class(self, tmp_path: Path) -> None:
        fill(tmp_path / "one" / "cat")
        self.refused(tmp_path / "one", "has one class, 'cat'; it must have two or more")

    def test_of_an_empty_class(self, pets: Path) -> None:
        (pets / "bird").mkdir()
        self.refused(pets, "the class folder '.*bird' has no images")

    def test_of_a_class_too_small_to_split(self, pets: Path) -> None:
        fill(pets / "bird", 2)
        self.refused(pets, "class 'bird' has 2 usable images, too few .* 7 are enough")

    def test_of_images_beside_the_parts(self, tmp_path: Path) -> None:
        for path in ("train/cat", "train/dog", "test/cat", "test/dog", "extra"):
            fill(tmp_path / "own" / path)
        self.refused(tmp_path / "own", "'extra' has images and is beside train, but is not a split")

    def test_of_parts_without_training(self, tmp_path: Path) -> None:
        for path in ("val/cat", "val/dog", "test/cat", "test/dog"):
            fill(tmp_path / "own" / path)
        self.refused(tmp_path / "own", "has the splits test and validation, but none called train")

    @pytest.mark.parametrize("name", ["x" * 300, "~nosuchuser/x", "zero\0byte"])
    def test_of_a_name_that_no_folder_can_have(self, name: str) -> None:
        self.refused(name, "cannot be read|nor a folder")

    def test_of_two_folders_for_one_part(self, tmp_path: Path) -> None:
        for part in ("train", "val", "valid"):
            fill(tmp_path / "own" / part / "cat", 1)
        self.refused(tmp_path / "own", "has two validation splits, 'val' and 'valid'; remove one")

    def test_of_a_class_that_training_lacks(self, tmp_path: Path) -> None:
        for path in ("train/cat", "train/dog", "test/cat", "test/bird"):
            fill(tmp_path / "own" / path)
        self.refused(tmp_path / "own", "'bird' is a class of its test split, but not of train")


class TestBrokenImages:
    @pytest.fixture
    def damaged(self, pets: Path) -> Path:
        Image.fromarray(np.random.default_rng(0).integers(256, size=(50, 50), dtype=np.uint8)).save(
            pets / "cat" / "1.png"
        )
        whole = (pets / "cat" / "1.png").read_bytes()
        (pets / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
        (pets / "dog" / "2.png").write_bytes(b"")
        (pets / "dog" / "new\nline.jpg").write_text("text")
        return pets

    def test_are_all_listed_with_their_reasons(self, damaged: Path) -> None:
        with pytest.raises(DataError) as refused:
            load(damaged)
        first, *rest = str(refused.value).splitlines()
        assert "has 3 broken images" in first
        assert "bad_images=skip" in first
        assert [line.strip().partition(": ")[0] for line in rest] == ["cat/1.png", "dog/2.png", r"dog/new\nline.jpg"]
        assert "truncated" in rest[0]
        assert "empty" in rest[1]
        assert "not an image" in rest[2]

    def test_are_left_out_on_request_and_told(self, damaged: Path) -> None:
        data = load(damaged, bad_images="skip")
        used = np.concatenate([data.train, data.validation, data.test])
        assert len(used) == len(set(used)) == 18
        assert [image.path for image in data.bad_images] == ["cat/1.png", "dog/2.png", r"dog/new\nline.jpg"]
        assert (data.labels[used] >= 0).all()

    def test_that_are_all_of_training_never_let_the_test_part_be_trained_on(self, tmp_path: Path) -> None:
        for part in ("train", "val", "test"):
            for name in ("cat", "dog"):
                fill(tmp_path / "own" / part / name)
        for path in (tmp_path / "own" / "train").rglob("*.png"):
            path.write_bytes(b"broken")
        with pytest.raises(DataError, match="usable images, too few"):
            load(tmp_path / "own", bad_images="skip")

    def test_left_out_give_the_same_data_as_never_there(self, damaged: Path) -> None:
        skipped = load(damaged, bad_images="skip").digest
        for image in load(damaged, bad_images="skip").bad_images:
            (damaged / image.path.replace(r"\n", "\n")).unlink()
        assert load(damaged).digest == skipped

    def test_that_crash_or_stall_the_decoder_cost_only_themselves(
        self, pets: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No file here crashes Pillow; a decoder that a name makes crash or stall takes a real one's place."""
        site = pets.parent / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(
            "import os, time\n"
            "import PIL.Image as image\n"
            "opened = image.open\n"
            "def crash(file, *rest, **named):\n"
            "    if file.name.endswith('crash.png'): os.abort()\n"
            "    if file.name.endswith('stall.png'): time.sleep(600)\n"
            "    return opened(file, *rest, **named)\n"
            "image.open = crash\n"
        )
        for name in ("crash", "stall"):
            Image.new("RGB", (5, 5)).save(pets / "cat" / f"{name}.png")
        monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{ROOT / 'src'}")
        monkeypatch.setattr("lrstudy.data.decoding.SECONDS_PER_IMAGE", 4.0)
        data = load(pets, bad_images="skip")
        assert {image.path: image.reason for image in data.bad_images} == {
            "cat/crash.png": "its decoder crashes, or runs out of memory",
            "cat/stall.png": "it takes more than 4 s to decode",
        }
        assert len(data.train) + len(data.validation) + len(data.test) == 20
        assert not cache_files(), "what may be the machine's fault is not kept"


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

    def test_does_not_believe_what_a_killed_build_left(self, pets: Path, loading: list[str]) -> None:
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


class TestNamedSets:
    def test_digits_are_scikit_learns(self) -> None:
        from sklearn.datasets import load_digits

        data = load("digits", size=0)
        assert data.images.shape == (1797, 8, 8, 1)
        assert np.array_equal(np.rint(data.images[..., 0] / 255 * 16), load_digits().images)
        assert [len(part) for part in (data.train, data.validation, data.test)] == [1257, 270, 270]

    def test_digits_are_scaled_on_request(self) -> None:
        small, large = load("digits", size=0), load("digits", size=32)
        assert large.images.shape == (1797, 32, 32, 1)
        means = [data.images.reshape(1797, -1).mean(axis=1) for data in (small, large)]
        assert np.corrcoef(*means)[0, 1] > 0.99

    @pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
    def test_idx_files_are_read_where_they_lie(self, name: str, folder: str, tmp_path: Path) -> None:
        raw = tmp_path / "sets" / folder / "raw"
        raw.mkdir(parents=True)
        for part, count in (("train", 100), ("t10k", 20)):
            pixels = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
            labels = np.arange(count, dtype=np.uint8) % 10
            (raw / f"{part}-images-idx3-ubyte").write_bytes(
                struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes()
            )
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())
        data = load(name, size=0, root=tmp_path / "sets")
        assert data.images.shape == (120, 28, 28, 1)
        assert data.test.tolist() == list(range(100, 120))
        assert len(data.validation) == 15

    @pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
    def test_a_set_that_is_neither_here_nor_reachable_says_which_files_to_put_where(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for variable in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nothing listens
        with pytest.raises(DataError, match=rf"{tmp_path / 'sets'}.*put .*gz .*data_root") as refused:
            load(name, root=tmp_path / "sets")
        assert "\n" not in str(refused.value)
        assert set(SOURCES) == {"digits", "mnist", "fashion-mnist", "cifar10"}


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


@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photographs at {PHOTOS}")
def test_real_photographs_fill_their_squares(tmp_path: Path) -> None:
    data = load(PHOTOS, size=64)
    assert data.images.shape == (500, 64, 64, 3)
    assert len(data.classes) == 10
    assert not data.bad_images
    assert data.images.std(axis=(1, 2, 3)).min() > 5
