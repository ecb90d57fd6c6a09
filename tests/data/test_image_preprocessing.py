"""Scaling one image: every kind that a camera, a scanner or a designer makes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from lrstudy.data.image_preprocessing import (
    FORMATS,
    ORIENTATION,
    PADDING,
    BrokenImageError,
    read_square,
    square,
    to_rgb,
)

SIDE = 16


def saved(path: Path, image: Image.Image, **options: object) -> str:
    image.save(path, **options)  # type: ignore[arg-type]
    return str(path)


def gradient(width: int = 40, height: int = 20) -> Image.Image:
    """Red grows to the right, green downward, blue is half."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.dstack([red, green, np.full_like(red, 128)]).round().astype(np.uint8))


def is_padding(pixels: np.ndarray) -> bool:
    return bool((pixels == PADDING).all())


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
    pixels = read_square(saved(tmp_path / "image.png", Image.new("RGB", size, (10, 200, 30))), SIDE, fit)
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
    assert np.array_equal(read_square(path, SIDE, "pad"), square(upright, SIDE, "pad"))


GREY_MODES = ["1", "L", "LA", "I;16", "I", "F"]


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr", "HSV", "RGBX", "La", "RGBa"]
)
def test_every_mode_becomes_rgb_with_its_colours(mode: str) -> None:
    colour = (255, 255, 255) if mode in ("1", "L", "LA", "La") else (255, 0, 0)
    image = Image.new("RGBA" if mode in ("RGBa", "PA") else "LA" if mode == "La" else "RGB", (4, 4), "white")
    image.paste((*colour[: 1 if mode == "La" else 3], 255) if image.mode in ("RGBA", "LA") else colour, (0, 0, 4, 4))
    pixels = np.asarray(to_rgb(image.convert(mode)))
    assert (abs(pixels.astype(int) - colour) <= 3).all(), pixels[0, 0]


def test_lab_becomes_rgb_with_its_colours() -> None:
    red = np.asarray(to_rgb(Image.new("LAB", (2, 2), (138, 209, 195))))  # L 54, a 81, b 70, as Pillow stores them
    assert (abs(red.astype(int) - (255, 0, 0)) <= 12).all(), red[0, 0]


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_16_bit_values_are_scaled_not_clipped(byte_order: str, tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 256).round().astype(f"{byte_order}u2").reshape(16, 16)
    image = Image.fromarray(values)
    assert np.array_equal(np.asarray(to_rgb(image))[..., 0].ravel(), np.arange(256))
    path = saved(tmp_path / "image.tif", image)
    assert np.array_equal(read_square(path, 16, "pad")[..., 0].ravel(), np.arange(256))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 1, 5, dtype=np.float32), [0, 64, 128, 191, 255]),
        (np.array([0, 10, 255], np.float32), [0, 10, 255]),
        (np.array([0, 0.5, 1.2], np.float32), [0, 106, 255]),
        (np.array([0, 2048, 4095], np.uint16), [0, 128, 255]),
        (np.array([0, 100, 255], np.uint16), [0, 100, 255]),
        (np.array([0, 4096, 30000], np.uint16), [0, 16, 117]),
        (np.array([-1, 0, 1], np.float32), [0, 128, 255]),
        (np.array([0, 1000, 2000], np.float32), [0, 128, 255]),
        (np.array([np.nan, 0.0, 0.5, np.inf, -np.inf], np.float32), [0, 0, 128, 255, 0]),
        (np.array([0, 65535], np.int32), [0, 255]),
        (np.array([0, 128, 200], np.int32), [0, 128, 200]),
        (np.array([-100, 0, 100], np.int32), [0, 128, 255]),
        (np.array([0, 10**6], np.int32), [0, 255]),
        (np.array([7.5e8, 7.5e8], np.float32), [0, 0]),
    ],
)
def test_wide_values_are_brought_to_8_bits_without_clipping(values: np.ndarray, expected: list[int]) -> None:
    assert np.asarray(to_rgb(Image.fromarray(values[None])))[0, :, 0].tolist() == expected


def test_transparency_shows_the_padding_colour(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 4, 8))
    pixels = read_square(saved(tmp_path / "image.png", clear), 8, "pad")
    assert is_padding(pixels[:, 4:])
    assert (pixels[:, :4] == 0).all()


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_one_transparent_colour_shows_the_padding_colour(mode: str, tmp_path: Path) -> None:
    image = Image.new(mode, (8, 8), 0)
    image.paste(255 if mode == "L" else (255, 255, 255) if mode == "RGB" else 1, (0, 0, 4, 8))
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 255, 255])
    path = saved(tmp_path / "image.png", image, transparency=(0, 0, 0) if mode == "RGB" else 0)
    pixels = read_square(path, 8, "pad")
    assert is_padding(pixels[:, 5:])
    assert (pixels[:, :3] == 255).all()


def test_half_transparent_edges_are_not_darkened_by_the_colour_behind_them(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), (0, 0, 32, 64))
    pixels = read_square(saved(tmp_path / "image.png", image), 7, "pad")
    assert pixels.min() >= 100  # black behind the edge would make it 64


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_the_first_frame_of_an_animation_is_taken(ending: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    options = {"lossless": True} if ending == "webp" else {}
    path = saved(tmp_path / f"image.{ending}", frames[0], save_all=True, append_images=frames[1:], **options)
    assert (read_square(path, 8, "pad") == (255, 0, 0)).all()


def test_a_large_jpeg_looks_as_if_decoded_whole(tmp_path: Path) -> None:
    image = gradient(1600, 1200)
    path = saved(tmp_path / "image.jpg", image, quality=95)
    whole = square(image, 64, "pad").astype(int)
    assert abs(read_square(path, 64, "pad").astype(int) - whole).mean() < 1.5


def test_a_reduced_jpeg_keeps_the_detail_that_its_square_can_show(tmp_path: Path) -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, np.arange(256) // 8 % 2 == 1] = 255  # two pixels of the square each
    pixels = read_square(saved(tmp_path / "image.jpg", Image.fromarray(stripes), quality=95), 64, "pad")
    assert pixels[32].std() > 110


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_reduced_jpeg_is_as_large_as_one_decoded_whole(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(tmp_path / "image.jpg", Image.new("RGB", (400, 403), (255, 0, 0)), exif=exif.tobytes())
    content = abs(read_square(path, 64, "pad").astype(int) - (255, 0, 0)).sum(axis=2) < 30
    assert sorted(content.any(axis=axis).sum() for axis in (0, 1)) == [64, 64]


def test_16_bit_grey_shows_the_padding_colour_where_it_is_transparent(tmp_path: Path) -> None:
    values = np.full((8, 8), 65535, np.uint16)
    values[:, 4:] = 7
    image = Image.fromarray(values)
    image.info["transparency"] = 7
    assert is_padding(np.asarray(to_rgb(image))[:, 4:])


def test_an_adobe_cmyk_jpeg_has_its_colours(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.jpg", Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK"), quality=95)
    assert (abs(read_square(path, 8, "pad").astype(int) - (200, 30, 30)) <= 8).all()


def test_damaged_metadata_does_not_make_a_picture_broken(tmp_path: Path) -> None:
    image = gradient()
    path = saved(tmp_path / "image.jpg", image, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff nonsense", quality=95)
    assert read_square(path, SIDE, "pad").shape == (SIDE, SIDE, 3)


def test_a_photograph_of_100_megapixels_is_not_a_decompression_bomb(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.new("1", (12000, 9000), 1))
    assert (read_square(path, 8, "pad")[2:6] == 255).all()


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.new("1", (20000, 10000)))
    with pytest.raises(BrokenImageError, match="decompression bomb"):
        read_square(path, SIDE, "pad")


def test_a_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    gradient().save(path, format="PNG")
    assert np.array_equal(read_square(str(path), SIDE, "pad"), square(gradient(), SIDE, "pad"))


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "tif", "webp", "bmp"])
def test_a_file_truncated_anywhere_is_an_image_or_a_reason_never_a_crash(ending: str, tmp_path: Path) -> None:
    whole = Path(saved(tmp_path / f"whole.{ending}", gradient())).read_bytes()
    path = tmp_path / f"cut.{ending}"
    refused = 0
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        try:
            assert read_square(str(path), SIDE, "pad").shape == (SIDE, SIDE, 3)
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
        read_square(str(tmp_path / name), SIDE, "pad")


def test_a_pipe_named_like_an_image_is_refused_without_waiting(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "image.png")
    with pytest.raises(BrokenImageError, match="not a regular file"):
        read_square(str(tmp_path / "image.png"), SIDE, "pad")


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(BrokenImageError, match="a dangling link"):
        read_square(str(tmp_path / "image.png"), SIDE, "pad")


def test_every_format_is_one_that_pillow_opens() -> None:
    Image.init()
    assert set(FORMATS) <= set(Image.OPEN)


def test_a_long_description_makes_no_png_broken(tmp_path: Path) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("history", "scanned " * 10**6, zip=True)
    path = saved(tmp_path / "image.png", gradient(), pnginfo=notes)
    assert np.array_equal(read_square(path, SIDE, "pad"), square(gradient(), SIDE, "pad"))
