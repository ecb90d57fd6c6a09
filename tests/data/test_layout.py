"""Class folders and splits of a data folder, recognised by their names and contents."""

import unicodedata
from pathlib import Path

import pytest

from lrstudy.data.folder import Listing, list_folder
from lrstudy.errors import DataError


def make(root: Path, *folders: str) -> Path:
    """Make folders with a file each that has the name of an image; listing them decodes nothing."""
    for folder in folders:
        (root / folder).mkdir(parents=True)
        (root / folder / "0.png").touch()
    return root


def tree(root: Path, splits: tuple[str, ...], classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    return make(root, *(f"{split}/{name}" for split in splits for name in classes))


def listed(listing: Listing) -> dict[str, str]:
    """Return the class and split of each file by its path: `train cat`, or `cat` without splits."""
    pairs = zip(listing.files, listing.splits, strict=True)
    return {file.path: f"{split} {listing.classes[file.label]}".strip() for file, split in pairs}


def rejection(folder: Path, layout: str = "auto") -> str:
    with pytest.raises(DataError) as rejected:
        list_folder(folder, layout)
    assert "\n" not in str(rejected.value)
    return str(rejected.value)


@pytest.mark.parametrize(
    "names",
    [
        ("Train", "Val", "Test"),
        ("Training", "Testing"),
        ("TRAIN", "VALIDATION", "TEST"),
        ("training_set", "test_set"),
        ("train_images", "dev_images", "holdout"),
        ("01_train", "02_valid", "03_test"),
        ("trn", "val", "tst"),
        ("train2017", "val2017"),
        ("trainval", "test"),
        ("trainset", "held-out"),
        ("TrainImages", "EvalImages"),
    ],
)
def test_usual_names_of_splits_are_known_in_any_case_and_spelling(names: tuple[str, ...], tmp_path: Path) -> None:
    listing = list_folder(tree(tmp_path, names))
    assert listing.classes == ("cat", "dog")
    assert set(listing.splits) > {"train"}
    assert len(set(listing.splits)) == len(names)


@pytest.mark.parametrize("name", ["train_station", "testimony", "development_aid", "valley", "trains", "holder"])
def test_words_that_only_begin_like_a_splits_name_are_classes(name: str, tmp_path: Path) -> None:
    assert list_folder(make(tmp_path, name, "bus")).classes == tuple(sorted(("bus", name)))


class TestSomeFoldersCalledLikeSplits:
    def test_are_rejected_with_both_readings(self, tmp_path: Path) -> None:
        message = rejection(make(tmp_path, "train", "car", "bus"))
        assert "'train' is a usual name of a split, but 'bus' and 'car' are not" in message
        assert "layout=classes to train 3 classes" in message
        assert "layout=splits to train the classes within 'train' and pass over 'bus' and 'car'" in message

    def test_are_classes_on_request(self, tmp_path: Path) -> None:
        assert list_folder(make(tmp_path, "train", "car", "bus"), "classes").classes == ("bus", "car", "train")

    def test_are_splits_on_request_and_the_others_are_passed_over(self, tmp_path: Path) -> None:
        listing = list_folder(make(tree(tmp_path, ("train", "test")), "unlabelled"), "splits")
        assert set(listing.splits) == {"train", "test"}
        assert listing.skipped_files == ("unlabelled/0.png",)

    def test_with_images_but_without_classes_are_rejected(self, tmp_path: Path) -> None:
        message = rejection(make(tmp_path, "train", "test"))
        assert "have images instead of one folder per class" in message
        assert "layout=classes" in message
        assert list_folder(tmp_path, "classes").classes == ("test", "train")


class TestFoldersWithTheSameFolders:
    def test_are_rejected_with_both_readings(self, tmp_path: Path) -> None:
        message = rejection(tree(tmp_path, ("Entrenamiento", "Prueba")))
        assert "'Entrenamiento' and 'Prueba' contain the same folders, 'cat' and 'dog'" in message
        assert "layout=classes to train the classes 'Entrenamiento' and 'Prueba'" in message
        assert "rename them to train, validation and test to train the classes 'cat' and 'dog'" in message

    def test_are_classes_on_request(self, tmp_path: Path) -> None:
        listing = list_folder(tree(tmp_path, ("bottle", "cable"), ("good", "broken")), "classes")
        assert listed(listing)["bottle/good/0.png"] == "bottle"

    def test_are_splits_if_all_their_names_mention_one(self, tmp_path: Path) -> None:
        listing = list_folder(tree(tmp_path, ("seg_train/seg_train", "seg_test/seg_test")))
        assert listed(listing)["seg_test/seg_test/dog/0.png"] == "test dog"

    def test_are_rejected_beside_a_folder_without(self, tmp_path: Path) -> None:
        folder = make(tree(tmp_path, ("seg_train", "seg_test")), "seg_pred")
        assert "layout=splits" in rejection(folder)
        assert set(list_folder(folder, "splits").splits) == {"train", "test"}

    def test_do_not_count_if_they_have_no_images_or_only_one_is_shared(self, tmp_path: Path) -> None:
        make(tmp_path, "cat/images", "dog/images")
        for folder in ("cat/notes", "dog/notes"):
            (tmp_path / folder).mkdir()
        assert list_folder(tmp_path).classes == ("cat", "dog")


class TestSplitsWithinClasses:
    def test_are_rejected_with_both_readings(self, tmp_path: Path) -> None:
        message = rejection(tree(tmp_path, ("cat", "dog"), ("train", "test")))
        assert "'cat' and 'dog' each contain the splits 'test' and 'train'" in message
        assert "layout=classes" in message
        assert "layout=splits to keep these" in message

    def test_are_kept_on_request(self, tmp_path: Path) -> None:
        listing = list_folder(tree(tmp_path, ("cat", "dog"), ("Train", "test")), "splits")
        assert listed(listing) == {
            "cat/Train/0.png": "train cat",
            "dog/Train/0.png": "train dog",
            "cat/test/0.png": "test cat",
            "dog/test/0.png": "test dog",
        }


class TestDeeperFolders:
    def test_lead_to_the_splits(self, tmp_path: Path) -> None:
        listing = list_folder(tree(tmp_path, ("data/birds/train", "data/birds/test")))
        assert listed(listing)["data/birds/test/cat/0.png"] == "test cat"
        assert not listing.skipped_files

    def test_of_a_split_are_entered_if_they_repeat_its_name_or_say_nothing(self, tmp_path: Path) -> None:
        splits = ("training_set/training_set", "test_set/images")
        assert list_folder(tree(tmp_path, splits)).classes == ("cat", "dog")

    def test_of_several_data_sets_are_rejected_and_one_is_suggested(self, tmp_path: Path) -> None:
        tree(tmp_path, ("old/train", "old/test", "new/train", "new/test"))
        assert f"set data to one of them, such as '{tmp_path / 'new'}'" in rejection(tmp_path)

    def test_of_one_folder_with_classes_are_suggested(self, tmp_path: Path) -> None:
        make(tmp_path, "flower_photos/daisy", "flower_photos/rose")
        assert f"set data to '{tmp_path / 'flower_photos'}'" in rejection(tmp_path)

    def test_that_lead_to_themselves_end(self, tmp_path: Path) -> None:
        (tmp_path / "itself").symlink_to(tmp_path)
        assert "one class, 'itself'" in rejection(tmp_path)


class TestASplit:
    def test_without_class_folders_is_passed_over_with_a_warning(self, tmp_path: Path) -> None:
        listing = list_folder(make(tree(tmp_path, ("train",)), "test1"))
        assert listing.skipped_files == ("test1/0.png",)
        assert listing.warnings == (
            "'test1' has 1 image, but no class folders: it is passed over, and the split is drawn from the training "
            "images",
        )

    def test_may_lack_a_class_that_training_has(self, tmp_path: Path) -> None:
        make(tree(tmp_path, ("train",)), "test/cat")
        (tmp_path / "test" / "dog").mkdir()
        assert listed(list_folder(tmp_path))["test/cat/0.png"] == "test cat"

    def test_that_is_requested_but_missing_is_rejected_with_the_usual_names(self, tmp_path: Path) -> None:
        message = rejection(tree(tmp_path, ("Entrenamiento", "Prueba")), "splits")
        assert "usual names are train, training, val" in message


class TestHiddenFolders:
    def test_of_images_are_classes(self, tmp_path: Path) -> None:
        make(tmp_path, ".45-acp", "9mm", "@eaDir")
        (tmp_path / ".idea").mkdir()
        (tmp_path / ".idea" / "settings.xml").touch()
        listing = list_folder(tmp_path)
        assert listing.classes == (".45-acp", "9mm")
        assert listing.skipped_files == (".idea/settings.xml", "@eaDir")

    @pytest.mark.parametrize(
        "name",
        [
            *(".git", ".thumbnails", ".ipynb_checkpoints", "__MACOSX", "@eaDir", ".@__thumb", ".Trash", ".Trash-1000"),
            *(".Trashes", ".svn", ".hg", ".AppleDouble", "$RECYCLE.BIN", "#recycle", "@Recycle"),
        ],
    )
    def test_of_programs_are_passed_over_everywhere(self, name: str, tmp_path: Path) -> None:
        make(tmp_path, "a", f"a/{name}", "b", name)
        listing = list_folder(tmp_path)
        assert listing.classes == ("a", "b")
        assert len(listing.files) == 2
        assert sorted(listing.skipped_files) == sorted([name, f"a/{name}"])

    def test_within_a_class_have_images_and_hidden_files_are_passed_over(self, tmp_path: Path) -> None:
        make(tmp_path, "a/.old", "b")
        (tmp_path / "a" / "._0.png").touch()
        listing = list_folder(tmp_path)
        assert listed(listing) == {"a/.old/0.png": "a", "b/0.png": "b"}
        assert listing.skipped_files == ("a/._0.png",)


def test_a_name_in_both_forms_of_unicode_is_one_class(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    make(tmp_path, f"train/{composed}", "train/tea", f"val/{decomposed}", "val/tea", f"train/{decomposed}")
    listing = list_folder(tmp_path)
    assert listing.classes == (composed, "tea")
    assert listed(listing)[f"val/{decomposed}/0.png"] == f"validation {composed}"
    assert len(listing.files) == 5
