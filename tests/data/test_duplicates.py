"""Images with equal pixels in several splits or classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_folders import fill
from lrstudy.data import ImageData
from lrstudy.data import load as load_data
from lrstudy.data.duplicates import Duplicates, find_duplicates
from lrstudy.data.pixels import channel_sums
from lrstudy.errors import DataError

SPLITS = ("train", "validation", "test")


def find(kinds: list[int], labels: list[int], splits: list[int]) -> Duplicates:
    """Return the duplicates of images: those of one of `kinds` have equal pixels."""
    images = np.random.default_rng(0).integers(256, size=(max(kinds) + 1, 4, 4, 3), dtype=np.uint8)[kinds]

    def describe(row: int) -> tuple[str, str, str]:
        return f"{row}.png", "ab"[labels[row]], SPLITS[splits[row]]

    return find_duplicates(images, channel_sums(images), np.array(labels), np.array(splits), describe)


class TestDuplicates:
    def test_across_splits_are_listed_with_the_copies_that_belong_together(self) -> None:
        found = find([0, 1, 0, 2, 0, 1], [0] * 6, [0, 0, 1, 0, 2, 0])
        assert [(image.copy, image.path, image.split) for image in found.images] == [
            (1, "0.png", "train"),
            (1, "2.png", "validation"),
            (1, "4.png", "test"),
        ]
        assert (found.across_splits, found.across_classes, found.harmless) == (3, 0, 1)
        assert found.droppable == [0]

    def test_across_classes_in_training_are_all_dropped_since_one_label_is_wrong(self) -> None:
        found = find([0, 0, 1, 2], [0, 1, 0, 1], [0, 0, 0, 1])
        assert (found.across_splits, found.across_classes) == (0, 2)
        assert found.droppable == [0, 1]

    def test_in_one_split_and_class_are_counted_but_not_listed(self) -> None:
        found = find([0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1])
        assert found == Duplicates(harmless=2)
        assert not list(found.describe(dropped=False))

    def test_of_images_that_are_left_out_do_not_count(self) -> None:
        assert find([0, 0, 1], [0, 0, 1], [0, -1, 1]) == Duplicates()

    def test_need_equal_pixels_and_not_only_equal_sums(self) -> None:
        images = np.zeros((2, 2, 2, 1), np.uint8)
        images[0, 0, 0], images[1, 1, 1] = 9, 9
        sums = channel_sums(images)
        assert (sums[0] == sums[1]).all()
        found = find_duplicates(images, sums, np.array([0, 1]), np.array([0, 1]), lambda row: (str(row), "", ""))
        assert found == Duplicates()

    def test_in_validation_and_test_are_never_dropped(self) -> None:
        found = find([0, 0, 1], [0, 0, 1], [1, 2, 0])
        assert found.across_splits == 2
        assert not found.droppable


class TestLoading:
    @pytest.fixture
    def copied(self, tmp_path: Path) -> Path:
        """Own splits; one test image is also in training, in another file format."""
        for number, split in enumerate(SPLITS):
            for name, red in (("cat", 250), ("dog", 50)):
                fill(tmp_path / "set" / split / name, 4, (red, 80 * number, 0))
        with Image.open(tmp_path / "set" / "test" / "cat" / "0.png") as image:
            image.save(tmp_path / "set" / "train" / "cat" / "copy.bmp")
        return tmp_path / "set"

    def load(self, folder: Path, duplicates: str) -> ImageData:
        return load_data(
            str(folder),
            data_root=None,
            image_size=8,
            fit="pad",
            bad_images="error",
            split_seed=0,
            duplicates=duplicates,
        )

    def test_warns_of_copies_whatever_their_files(self, copied: Path) -> None:
        data = self.load(copied, "warn")
        assert len(data.train) == 9
        assert data.warnings == (
            "2 images have copies with the same pixels, 2 in another split; duplicates.json lists them; "
            "duplicates=drop leaves such images out of training",
        )
        assert {image.path for image in data.duplicates.images} == {"test/cat/0.png", "train/cat/copy.bmp"}

    def test_drops_them_from_training_on_request_which_changes_the_data(self, copied: Path) -> None:
        kept, dropped = self.load(copied, "warn"), self.load(copied, "drop")
        assert (len(dropped.train), len(dropped.validation), len(dropped.test)) == (8, 8, 8)
        assert dropped.digest != kept.digest
        assert "1 of them is dropped from training" in dropped.warnings[0]
        (copied / "train" / "cat" / "copy.bmp").unlink()
        without = self.load(copied, "drop")
        assert without.digest == self.load(copied, "warn").digest
        assert dropped.mean == without.mean

    def test_rejects_to_drop_a_whole_class(self, copied: Path) -> None:
        for path in (copied / "train" / "cat").iterdir():
            path.unlink()
        with Image.open(copied / "test" / "cat" / "0.png") as image:
            image.save(copied / "train" / "cat" / "copy.png")
        with pytest.raises(DataError, match="duplicates='drop' leaves no image of class 'cat' for training"):
            self.load(copied, "drop")
