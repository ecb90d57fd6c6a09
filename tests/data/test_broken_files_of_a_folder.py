"""Broken images in a folder: reported, or skipped on request."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from image_folders import cache_files, fill, load
from lrstudy.errors import DataError


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
        with pytest.raises(DataError) as rejected:
            load(damaged)
        first, *rest = str(rejected.value).splitlines()
        assert "has 3 broken images" in first
        assert "bad_images=skip" in first
        assert [line.strip().partition(": ")[0] for line in rest] == ["cat/1.png", "dog/2.png", r"dog/new\nline.jpg"]
        assert "truncated" in rest[0]
        assert "empty" in rest[1]
        assert "not an image" in rest[2]

    def test_are_skipped_on_request_and_reported(self, damaged: Path) -> None:
        data = load(damaged, bad_images="skip")
        used = np.concatenate([data.train, data.validation, data.test])
        assert len(used) == len(set(used)) == 18
        assert [image.path for image in data.bad_images] == ["cat/1.png", "dog/2.png", r"dog/new\nline.jpg"]
        assert (data.labels[used] >= 0).all()

    def test_that_are_all_of_training_do_not_move_the_test_split_into_training(self, tmp_path: Path) -> None:
        for part in ("train", "val", "test"):
            for name in ("cat", "dog"):
                fill(tmp_path / "own" / part / name)
        for path in (tmp_path / "own" / "train").rglob("*.png"):
            path.write_bytes(b"broken")
        with pytest.raises(DataError, match="usable images, too few"):
            load(tmp_path / "own", bad_images="skip")

    def test_skipped_give_the_same_data_as_if_they_did_not_exist(self, damaged: Path) -> None:
        skipped = load(damaged, bad_images="skip").digest
        for image in load(damaged, bad_images="skip").bad_images:
            (damaged / image.path.replace(r"\n", "\n")).unlink()
        assert load(damaged).digest == skipped

    def test_that_crash_or_stall_the_decoder_affect_no_other_image(
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
        monkeypatch.setattr("lrstudy.data.decoding.MAX_SECONDS_PER_IMAGE", 4.0)
        data = load(pets, bad_images="skip")
        assert {image.path: image.reason for image in data.bad_images} == {
            "cat/crash.png": "its decoder crashes, or runs out of memory",
            "cat/stall.png": "it takes more than 4 s to decode",
        }
        assert len(data.train) + len(data.validation) + len(data.test) == 20
        assert not cache_files(), "what may be the machine's fault is not kept"
