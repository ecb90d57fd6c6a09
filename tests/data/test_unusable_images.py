"""Image files that cannot be used: each has a reason, and none delays or crashes the others."""

from pathlib import Path

import pytest
from PIL import Image

from image_files import gradient, read, saved
from lrstudy.data.image_preprocessing import BrokenImageError

SIDE = 16


def test_a_photograph_of_100_megapixels_is_not_a_decompression_bomb(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.new("1", (12000, 9000), 1))
    assert (read(path, 8, "pad")[2:6] == 255).all()


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.new("1", (20000, 10000)))
    with pytest.raises(BrokenImageError, match="decompression bomb"):
        read(path, SIDE, "pad")


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "tif", "webp", "bmp"])
def test_a_file_truncated_anywhere_is_an_image_or_a_reason_never_a_crash(ending: str, tmp_path: Path) -> None:
    whole = Path(saved(tmp_path / f"whole.{ending}", gradient())).read_bytes()
    path = tmp_path / f"cut.{ending}"
    refused = 0
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        try:
            assert read(str(path), SIDE, "pad").shape == (SIDE, SIDE, 3)
        except BrokenImageError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.png", b"", "the file is empty"),
        ("notes.jpg", b"dear diary", "not an image that Pillow can read"),
        ("drawing.svg", b"<svg/>", r"\.svg images are not supported"),
        ("print.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", r"\.eps images are not supported"),
        ("hidden.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_an_unusable_image_has_a_reason(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BrokenImageError, match=reason):
        read(str(tmp_path / name), SIDE, "pad")


def test_a_pipe_named_like_an_image_is_refused_without_waiting(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "image.png")
    with pytest.raises(BrokenImageError, match="not a regular file"):
        read(str(tmp_path / "image.png"), SIDE, "pad")


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(BrokenImageError, match="a dangling link"):
        read(str(tmp_path / "image.png"), SIDE, "pad")
