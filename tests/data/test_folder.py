"""Images and classes that are found in a folder."""

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from lrstudy.data import load
from lrstudy.data.file_formats import UNSUPPORTED
from lrstudy.data.folder import list_folder
from lrstudy.data.image_preprocessing import FORMATS
from lrstudy.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with one image each."""
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("L", (3, 3)).save(tmp_path / "set" / name / "0.png")
    return tmp_path / "set"


def paths(folder: Path) -> list[str]:
    return [file.path for file in list_folder(folder).files]


def encoded(kind: str, **options: bool) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 20), (1, 2, 3)).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000"])
def test_a_file_with_an_images_content_is_one_whatever_its_name(kind: str, folder: Path) -> None:
    (folder / "a" / "scan").write_bytes(encoded(kind))
    (folder / "a" / "scan.bak").write_bytes(encoded(kind))
    assert paths(folder) == ["a/0.png", "a/scan", "a/scan.bak", "b/0.png"]


def test_large_tiffs_and_bare_jpeg_2000_streams_are_known_by_their_content(folder: Path) -> None:
    (folder / "a" / "1").write_bytes(encoded("TIFF", big_tiff=True))
    (folder / "a" / "2").write_bytes(encoded("JPEG2000", no_jp2=True))
    assert paths(folder) == ["a/0.png", "a/1", "a/2", "b/0.png"]


@pytest.mark.parametrize("text", [b"BM is no image, though a BMP begins like this", b"", b"GIF", b"%PDF-1.7", b"RIFF"])
def test_a_text_is_passed_over(text: bytes, folder: Path) -> None:
    (folder / "a" / "notes").write_bytes(text)
    listing = list_folder(folder)
    assert len(listing.files) == 2
    assert listing.skipped_files == ("a/notes",)


def test_a_folder_that_many_ways_lead_to_is_entered_once(folder: Path) -> None:
    """Twelve folders linked to each other in all ways have more paths than a search could try."""
    for number in range(12):
        (folder / "a" / str(number)).mkdir()
        Image.new("L", (3, 3)).save(folder / "a" / str(number) / "0.png")
        for other in range(12):
            (folder / "a" / str(number) / f"link {other}").symlink_to(f"../{other}")
    assert paths(folder) == sorted(["a/0.png", "b/0.png", *(f"a/{number}/0.png" for number in range(12))])


def test_a_folder_linked_into_two_classes_is_in_both(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    Image.new("L", (3, 3)).save(elsewhere / "1.png")
    for name in ("a", "b"):
        (folder / name / "more").symlink_to(elsewhere)
    assert paths(folder) == ["a/0.png", "a/more/1.png", "b/0.png", "b/more/1.png"]


def test_a_link_to_itself_is_not_a_folder_and_counts_as_a_broken_image(folder: Path) -> None:
    (folder / "circle").symlink_to("circle")
    for name in ("a", "b"):
        (folder / name / "circle").symlink_to("circle")
    (folder / "a" / "circle.png").symlink_to("circle.png")
    assert list_folder(folder).skipped_files == ("circle", "a/circle", "b/circle")
    with pytest.raises(DataError, match=r"a/circle\.png: it cannot be read: Too many levels of symbolic links"):
        load(str(folder), data_root=None, image_size=8, fit="pad", bad_images="error", split_seed=0)


def test_pipes_and_devices_are_not_read(folder: Path) -> None:
    os.mkfifo(folder / "a" / "pipe")
    os.mkfifo(folder / "a" / "pipe.png")
    (folder / "b" / "zero").symlink_to("/dev/zero")
    (folder / "b" / "zero.jpg").symlink_to("/dev/zero")
    listing = list_folder(folder)
    assert listing.skipped_files == ("a/pipe", "b/zero")
    with pytest.raises(DataError) as rejected:
        load(str(folder), data_root=None, image_size=8, fit="pad", bad_images="error", split_seed=0)
    assert [line.strip() for line in str(rejected.value).splitlines()[1:]] == [
        "a/pipe.png: it is not a regular file",
        "b/zero.jpg: it is not a regular file",
    ]


def test_files_beside_the_class_folders_of_a_part_are_passed_over(folder: Path) -> None:
    for part in ("train", "test"):
        (folder.parent / "own" / part).mkdir(parents=True)
        (folder.parent / "own" / part / "labels.csv").write_text("a,b")
        for name in ("a", "b"):
            (folder.parent / "own" / part / name).symlink_to(folder / name)
    (folder.parent / "own" / "README").write_text("mine")
    assert list_folder(folder.parent / "own").skipped_files == ("README", "train/labels.csv", "test/labels.csv")


@pytest.mark.parametrize("way", [".", "../set", "a/..", "{}", "{}/"])
def test_paths_are_within_the_folder_however_it_is_named(
    way: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert paths(Path(way.format(folder))) == ["a/0.png", "b/0.png"]


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 3000, "~no-such-user/images", "null\0byte", "new\nline", ""])
def test_an_impossible_name_is_one_sentence(name: str) -> None:
    with pytest.raises(DataError, match=r"nor a folder|has no folders|cannot be read") as rejected:
        load(name, data_root=None, image_size=8, fit="pad", bad_images="error", split_seed=0)
    assert str(rejected.value).isprintable()


def test_the_name_of_a_folder_is_shown_printable(folder: Path) -> None:
    odd = folder.rename(folder.parent / os.fsdecode(b"odd\n\xe9"))
    Image.new("L", (3, 3)).save(odd / "0.png")
    with pytest.raises(DataError, match=r"odd\\n�") as rejected:
        load(str(odd / "a"), data_root=None, image_size=8, fit="pad", bad_images="error", split_seed=0)
    assert str(rejected.value).isprintable()


def test_a_file_with_the_ending_of_any_format_that_is_read_or_named_as_unsupported_should_be_an_image(
    folder: Path,
) -> None:
    Image.init()
    known = {ending for ending, kind in Image.EXTENSION.items() if kind in FORMATS} | UNSUPPORTED
    assert {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".jp2", ".heic"} <= known
    for ending in {*known, *Image.EXTENSION, ".txt", ""}:
        (folder / "a" / f"file{ending.upper()}").write_text("some")
    found = {Path(path).suffix.lower() for path in paths(folder) if path.startswith("a/file")}
    assert found == known


def test_a_text_that_begins_like_a_bitmap_is_none(folder: Path) -> None:
    (folder / "a" / "notes").write_bytes(b"BMxxxx" + bytes(4) + b"but not the header of one")
    assert list_folder(folder).skipped_files == ("a/notes",)
