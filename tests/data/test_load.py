"""Loading a folder of class folders: classes, splits, and one sentence per rejection."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import PHOTOS
from image_folders import fill, load
from lrstudy.errors import DataError


class TestAFolder:
    def test_is_read_with_classes_by_name_and_labels_by_class(self, pets: Path) -> None:
        data = load(pets)
        assert data.name == "pets"
        assert data.classes == ("cat", "dog")
        assert data.images.shape == (20, 8, 8, 3)
        assert data.labels.tolist() == [0] * 10 + [1] * 10
        middles = data.images[:, 4, 4, :2]
        assert (middles == [(200, 10)] * 10 + [(10, 200)] * 10).all()

    def test_is_split_70_15_15_with_every_class_in_every_split(self, pets: Path) -> None:
        data = load(pets)
        parts = [data.train, data.validation, data.test]
        assert [len(part) for part in parts] == [14, 3, 3]
        assert sorted(np.concatenate(parts)) == list(range(20))
        assert all(set(data.labels[part]) == {0, 1} for part in parts)

    def test_has_the_same_split_every_time_and_another_for_another_seed(self, pets: Path) -> None:
        assert load(pets).test.tolist() == load(pets).test.tolist() != load(pets, seed=1).test.tolist()

    def test_keeps_its_own_splits(self, tmp_path: Path) -> None:
        for part, count in (("Train", 6), ("valid", 2), ("test", 3)):
            for name in ("cat", "dog"):
                fill(tmp_path / "own" / part / name, count)
        data = load(tmp_path / "own")
        assert data.classes == ("cat", "dog")
        assert [len(part) for part in (data.train, data.validation, data.test)] == [12, 4, 6]

    def test_without_a_split_takes_it_from_training(self, tmp_path: Path) -> None:
        for part, count in (("train", 20), ("test", 3)):
            for name in ("cat", "dog"):
                fill(tmp_path / "own" / part / name, count)
        data = load(tmp_path / "own")
        assert [len(part) for part in (data.train, data.validation, data.test)] == [34, 6, 6]
        assert data.test.min() == 40

    def test_skips_a_folder_without_images_beside_its_splits(self, tmp_path: Path) -> None:
        for part in ("train", "test"):
            for name in ("cat", "dog"):
                fill(tmp_path / "own" / part / name)
        (tmp_path / "own" / "annotations").mkdir()
        (tmp_path / "own" / "train" / "stray.png").write_bytes(b"")
        data = load(tmp_path / "own")
        assert data.classes == ("cat", "dog")
        assert data.skipped_files == ("annotations", "train/stray.png")

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

    def test_has_mean_and_deviation_of_the_training_split_alone(self, pets: Path) -> None:
        data = load(pets)
        seen = data.images[data.train].reshape(-1, 3).astype(np.float64)
        assert data.mean == pytest.approx(seen.mean(axis=0), rel=1e-12)
        assert data.std == pytest.approx(seen.std(axis=0), rel=1e-12)

    def test_skips_and_counts_files_that_are_not_images(self, pets: Path) -> None:
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


class TestAnInvalidFolder:
    """Each is rejected in one sentence."""

    def is_rejected(self, folder: Path | str, match: str) -> None:
        with pytest.raises(DataError, match=match) as rejected:
            load(folder)
        assert "\n" not in str(rejected.value)

    def test_of_a_missing_folder(self) -> None:
        self.is_rejected("nowhere", "data='nowhere' is neither a known data set nor a folder")

    def test_of_a_misspelt_name_suggests_the_right_one(self) -> None:
        self.is_rejected("digit", "did you mean 'digits'")

    def test_of_a_file(self, pets: Path) -> None:
        self.is_rejected(pets / "cat" / "0.png", "is a file; it must be a folder")

    def test_of_a_folder_without_classes(self, pets: Path) -> None:
        self.is_rejected(pets / "cat", "has no folders; it must have one per class")

    def test_of_one_class(self, tmp_path: Path) -> None:
        fill(tmp_path / "one" / "cat")
        self.is_rejected(tmp_path / "one", "has one class, 'cat'; it must have two or more")

    def test_of_an_empty_class(self, pets: Path) -> None:
        (pets / "bird").mkdir()
        self.is_rejected(pets, "the class folder '.*bird' has no images")

    def test_of_a_class_too_small_to_split(self, pets: Path) -> None:
        fill(pets / "bird", 2)
        self.is_rejected(pets, "class 'bird' has 2 usable images, too few .* 7 are enough")

    def test_of_splits_without_training(self, tmp_path: Path) -> None:
        for path in ("val/cat", "val/dog", "test/cat", "test/dog"):
            fill(tmp_path / "own" / path)
        self.is_rejected(tmp_path / "own", "has the splits validation and test, but none called train")

    @pytest.mark.parametrize("name", ["x" * 300, "~nosuchuser/x", "zero\0byte"])
    def test_of_an_impossible_folder_name(self, name: str) -> None:
        self.is_rejected(name, "cannot be read|nor a folder")

    def test_of_two_folders_for_one_split(self, tmp_path: Path) -> None:
        for part in ("train", "val", "valid"):
            fill(tmp_path / "own" / part / "cat", 1)
        self.is_rejected(tmp_path / "own", "has two validation splits, 'val' and 'valid'; remove one")

    def test_of_a_class_missing_in_training(self, tmp_path: Path) -> None:
        for path in ("train/cat", "train/dog", "test/cat", "test/bird"):
            fill(tmp_path / "own" / path)
        self.is_rejected(tmp_path / "own", "'bird' is a class of its test split, but not of train")


@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photographs at {PHOTOS}")
def test_real_photographs_fill_their_squares(tmp_path: Path) -> None:
    data = load(PHOTOS, size=64)
    assert data.images.shape == (500, 64, 64, 3)
    assert len(data.classes) == 10
    assert not data.bad_images
    assert data.images.std(axis=(1, 2, 3)).min() > 5
