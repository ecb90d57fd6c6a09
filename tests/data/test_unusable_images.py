"""Image files that cannot be used: each has a reason, and none delays or crashes the others."""

from pathlib import Path

import pytest
from PIL import Image

from image_files import gradient, read, saved
from lrstudy.data.image_preprocessing import BrokenImageError

SIDE = 16
HEIC = b"\x00\x00\x00\x18ftypheic" + bytes(4) + b"mif1heic"


def test_a_photograph_of_100_megapixels_is_not_a_decompression_bomb(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.new("1", (12000, 9000), 1))
    assert (read(path, 8, "pad")[2:6] == 255).all()


def test_a_decompression_bomb_is_rejected(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.new("1", (20000, 10000)))
    with pytest.raises(BrokenImageError, match="decompression bomb"):
        read(path, SIDE, "pad")


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "tif", "webp", "bmp"])
def test_a_file_truncated_anywhere_is_an_image_or_a_reason_never_a_crash(ending: str, tmp_path: Path) -> None:
    whole = Path(saved(tmp_path / f"whole.{ending}", gradient())).read_bytes()
    path = tmp_path / f"cut.{ending}"
    rejected = 0
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        try:
            assert read(str(path), SIDE, "pad").shape == (SIDE, SIDE, 3)
        except BrokenImageError:
            rejected += 1
    assert rejected > 20


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.png", b"", "the file is empty"),
        ("notes.jpg", b"dear diary", "not an image that Pillow can read"),
        ("drawing.svg", b"<svg/>", "SVG images are not supported"),
        ("print.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript images are not supported"),
        ("hidden.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript images are not supported"),
        ("photo.jpg", HEIC, "HEIC images are not supported; convert it to PNG or JPEG, .* the package pillow-heif"),
        ("PHOTO.HEIC", b"damaged", "HEIC images are not supported"),
        ("any codec", bytes(4) + b"ftypmif1" + bytes(4) + b"mif1heicmiaf", "HEIC images are not supported"),
        ("stream.jpg", b"\xff\x0a\xfa\x1f", "JPEG XL images .* the package pillow-jxl-plugin"),
        ("box.png", b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(20), "JPEG XL images are not supported"),
        ("photo.nef", b"II*\x00", "raw camera images are not supported; .* the package rawpy"),
        ("scan", bytes(128) + b"DICM", "DICOM images are not supported; .* the package pydicom"),
        ("1.jpg", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, .*; run 'git lfs pull'"),
        ("2.jpg", b"\n<!DOCTYPE html><html>", "it is an HTML page"),
        ("3.jpg", b"%PDF-1.7", "it is a PDF file"),
    ],
)
def test_an_unusable_image_has_a_reason(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BrokenImageError, match=reason):
        read(str(tmp_path / name), SIDE, "pad")


def test_a_photograph_with_the_ending_of_another_format_is_read(tmp_path: Path) -> None:
    """Programs that convert photographs of telephones often keep their names."""
    gradient().save(tmp_path / "photo.heic", format="PNG")
    assert (
        read(str(tmp_path / "photo.heic"), SIDE, "pad") == read(saved(tmp_path / "a.png", gradient()), SIDE, "pad")
    ).all()


def test_a_pipe_named_like_an_image_is_rejected_without_waiting(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "image.png")
    with pytest.raises(BrokenImageError, match="not a regular file"):
        read(str(tmp_path / "image.png"), SIDE, "pad")


def test_a_link_to_nothing_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "image.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(BrokenImageError, match="a dangling link"):
        read(str(tmp_path / "image.png"), SIDE, "pad")
