"""Scaling one image into a square, from files of every kind that a camera, a scanner or a designer makes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from image_files import gradient, is_padding, read, saved
from lrstudy.data.image_preprocessing import FORMATS, ORIENTATION, square

SIDE = 16


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 80))
@settings(deadline=None)
def test_padding_keeps_the_aspect_ratio_in_the_middle_of_a_square(width: int, height: int, side: int) -> None:
    pixels = square(Image.new("RGB", (width, height), (255, 0, 0)), side, "pad")
    assert pixels.shape == (side, side, 3)
    assert pixels.dtype == np.uint8
    content = (pixels == (255, 0, 0)).all(axis=2)
    rows, columns = np.flatnonzero(content.any(axis=1)), np.flatnonzero(content.any(axis=0))
    long_side, short_side = max(width, height), min(width, height)
    tall, wide = len(rows), len(columns)
    assert max(tall, wide) == side
    assert abs(min(tall, wide) - max(1, side * short_side / long_side)) <= 0.5
    assert content.sum() == tall * wide
    for found in (rows, columns):
        before, after = found[0], side - 1 - found[-1]
        assert 0 <= after - before <= 1
    assert is_padding(pixels[~content])


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 80))
@settings(deadline=None)
def test_cropping_fills_the_square(width: int, height: int, side: int) -> None:
    pixels = square(Image.new("RGB", (width, height), (255, 0, 0)), side, "crop")
    assert pixels.shape == (side, side, 3)
    assert (pixels == (255, 0, 0)).all()


def test_cropping_takes_the_middle() -> None:
    image = Image.new("RGB", (90, 30), (255, 0, 0))
    image.paste((0, 255, 0), (30, 0, 60, 30))
    pixels = square(image, 10, "crop").astype(int)
    assert (abs(pixels[:, 1:-1] - (0, 255, 0)) <= 2).all()


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("size", [(1, 1), (1000, 2), (2, 1000), (1, 5000), (SIDE, SIDE), (3, 3), (4000, 3000)])
def test_extreme_sizes_are_scaled(size: tuple[int, int], fit: str, tmp_path: Path) -> None:
    pixels = read(saved(tmp_path / "image.png", Image.new("RGB", size, (10, 200, 30))), SIDE, fit)
    assert pixels.shape == (SIDE, SIDE, 3)
    assert (pixels == (10, 200, 30)).all(axis=2).any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_before_measuring(orientation: int, tmp_path: Path) -> None:
    """The stored picture is the upright one turned the other way, so that all eight look the same."""
    upright = gradient(40, 20)
    back: dict[int, Callable[[Image.Image], Image.Image]] = {
        1: lambda image: image,
        2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
        4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "image.png", back[orientation](upright), exif=exif.tobytes())
    assert np.array_equal(read(path, SIDE, "pad"), square(upright, SIDE, "pad"))


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_the_first_frame_of_an_animation_is_taken(ending: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    options = {"lossless": True} if ending == "webp" else {}
    path = saved(tmp_path / f"image.{ending}", frames[0], save_all=True, append_images=frames[1:], **options)
    assert (read(path, 8, "pad") == (255, 0, 0)).all()


def test_a_large_jpeg_looks_as_if_decoded_whole(tmp_path: Path) -> None:
    image = gradient(1600, 1200)
    path = saved(tmp_path / "image.jpg", image, quality=95)
    whole = square(image, 64, "pad").astype(int)
    assert abs(read(path, 64, "pad").astype(int) - whole).mean() < 1.5


def test_a_reduced_jpeg_keeps_the_detail_that_its_square_can_show(tmp_path: Path) -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, np.arange(256) // 8 % 2 == 1] = 255  # two pixels of the square each
    pixels = read(saved(tmp_path / "image.jpg", Image.fromarray(stripes), quality=95), 64, "pad")
    assert pixels[32].std() > 110


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_reduced_jpeg_is_as_large_as_one_decoded_whole(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(tmp_path / "image.jpg", Image.new("RGB", (400, 403), (255, 0, 0)), exif=exif.tobytes())
    content = abs(read(path, 64, "pad").astype(int) - (255, 0, 0)).sum(axis=2) < 30
    assert sorted(content.any(axis=axis).sum() for axis in (0, 1)) == [64, 64]


def test_damaged_metadata_does_not_make_a_picture_broken(tmp_path: Path) -> None:
    image = gradient()
    path = saved(tmp_path / "image.jpg", image, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff nonsense", quality=95)
    assert read(path, SIDE, "pad").shape == (SIDE, SIDE, 3)


def test_a_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    gradient().save(path, format="PNG")
    assert np.array_equal(read(str(path), SIDE, "pad"), square(gradient(), SIDE, "pad"))


def test_every_format_is_one_that_pillow_opens() -> None:
    Image.init()
    assert set(FORMATS) <= set(Image.OPEN)


def test_a_long_description_makes_no_png_broken(tmp_path: Path) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("history", "scanned " * 10**6, zip=True)
    path = saved(tmp_path / "image.png", gradient(), pnginfo=notes)
    assert np.array_equal(read(path, SIDE, "pad"), square(gradient(), SIDE, "pad"))
