"""The modes of images, and their transparency."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_files import GREY, PALETTE, RGB, RGBA, is_padding, png, read, saved
from lrstudy.data.image_preprocessing import to_rgb


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr", "HSV", "RGBX", "La", "RGBa"]
)
def test_every_mode_becomes_rgb_with_its_colours(mode: str) -> None:
    colour = (255, 255, 255) if mode in ("1", "L", "LA", "La") else (255, 0, 0)
    image = Image.new("RGBA" if mode in ("RGBa", "PA") else "LA" if mode == "La" else "RGB", (4, 4), "white")
    image.paste((*colour[: 1 if mode == "La" else 3], 255) if image.mode in ("RGBA", "LA") else colour, (0, 0, 4, 4))
    pixels = np.asarray(to_rgb(image.convert(mode), {}))
    assert (abs(pixels.astype(int) - colour) <= 3).all(), pixels[0, 0]


def test_lab_becomes_rgb_with_its_colours() -> None:
    red = np.asarray(to_rgb(Image.new("LAB", (2, 2), (138, 209, 195)), {}))  # L 54, a 81, b 70, as Pillow stores them
    assert (abs(red.astype(int) - (255, 0, 0)) <= 12).all(), red[0, 0]


def test_transparency_shows_the_padding_colour(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 4, 8))
    pixels = read(saved(tmp_path / "image.png", clear), 8, "pad")
    assert is_padding(pixels[:, 4:])
    assert (pixels[:, :4] == 0).all()


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_one_transparent_colour_shows_the_padding_colour(mode: str, tmp_path: Path) -> None:
    image = Image.new(mode, (8, 8), 0)
    image.paste(255 if mode == "L" else (255, 255, 255) if mode == "RGB" else 1, (0, 0, 4, 8))
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 255, 255])
    path = saved(tmp_path / "image.png", image, transparency=(0, 0, 0) if mode == "RGB" else 0)
    pixels = read(path, 8, "pad")
    assert is_padding(pixels[:, 5:])
    assert (pixels[:, :3] == 255).all()


def test_half_transparent_edges_are_not_darkened_by_the_colour_behind_them(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), (0, 0, 32, 64))
    pixels = read(saved(tmp_path / "image.png", image), 7, "pad")
    assert pixels.min() >= 100  # black behind the edge would make it 64


def test_an_adobe_cmyk_jpeg_has_its_colours(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.jpg", Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK"), quality=95)
    assert (abs(read(path, 8, "pad").astype(int) - (200, 30, 30)) <= 8).all()


@pytest.mark.parametrize(("bits", "grey"), [(1, 1), (2, 2), (4, 11), (8, 200)])
def test_a_transparent_grey_of_a_png_has_the_depth_of_its_samples(bits: int, grey: int, tmp_path: Path) -> None:
    """The other pixels are of the next lower grey."""
    samples = np.full((8, 8, 1), grey - 1)
    samples[:, 4:] = grey
    (tmp_path / "image.png").write_bytes(png(samples, bits, GREY, (b"tRNS", struct.pack(">H", grey))))
    pixels = read(tmp_path / "image.png", 8)
    assert is_padding(pixels[:, 4:])
    assert (pixels[:, :4] == round((grey - 1) * 255 / (2**bits - 1))).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_colour_of_a_palette_shows_the_padding_colour(bits: int, tmp_path: Path) -> None:
    samples = np.zeros((8, 8, 1), int)
    samples[:, 4:] = 1
    palette = (b"PLTE", bytes([10, 20, 30, 200, 100, 50]))
    (tmp_path / "image.png").write_bytes(png(samples, bits, PALETTE, palette, (b"tRNS", b"\xff\x00")))
    pixels = read(tmp_path / "image.png", 8)
    assert is_padding(pixels[:, 4:])
    assert (pixels[:, :4] == (10, 20, 30)).all()


def test_of_a_transparent_colour_of_8_bits_only_the_low_bytes_count(tmp_path: Path) -> None:
    samples = np.zeros((8, 8, 3), int)
    samples[:, 4:] = (1, 2, 3)
    (tmp_path / "image.png").write_bytes(png(samples, 8, RGB, (b"tRNS", b"\xff\x01\x00\x02\xff\x03")))
    pixels = read(tmp_path / "image.png", 8)
    assert is_padding(pixels[:, 4:])
    assert (pixels[:, :4] == 0).all()


def without_alpha(name: str, colours: np.ndarray) -> bytes:
    """Return an image file of 32 bits per pixel whose alpha is 0 everywhere."""
    height, width, _ = colours.shape
    pixels = np.concatenate([colours[..., ::-1], np.zeros((height, width, 1), np.uint8)], axis=2)
    if name == "image.tga":
        return struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, width, height, 32, 0x20) + pixels.tobytes()
    file = io.BytesIO()
    Image.fromarray(np.dstack([colours, pixels[..., 3]])).save(file, name.partition(".")[2].upper())
    return file.getvalue()


@pytest.mark.parametrize("name", ["image.tga", "image.png", "image.tiff", "image.ico", "image.bmp"])
def test_an_alpha_of_0_everywhere_means_none(name: str, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    (tmp_path / name).write_bytes(without_alpha(name, colours))
    assert np.array_equal(read(tmp_path / name, 16), colours)


def test_an_alpha_of_0_everywhere_means_none_in_grey(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = saved(tmp_path / "image.png", Image.fromarray(np.dstack([grey, np.zeros_like(grey)])))
    assert np.array_equal(read(path, 16)[..., 0], grey)


def test_an_alpha_of_0_everywhere_means_none_in_16_bits(tmp_path: Path) -> None:
    samples = np.dstack([np.arange(0, 65536, 257).reshape(16, 16)] * 3 + [np.zeros((16, 16), int)])
    (tmp_path / "image.png").write_bytes(png(samples, 16, RGBA))
    assert np.array_equal(read(tmp_path / "image.png", 16)[..., 0].ravel(), np.arange(256))
