"""Files of more than 8 bits per sample: grey and colour, both byte orders, both polarities."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_files import GREY, GREY_ALPHA, RGB, RGBA, is_padding, png, read, saved, tiff
from lrstudy.data.image_preprocessing import read_square

RANDOM = np.random.default_rng(0)


def levels(values: np.ndarray, white: int) -> np.ndarray:
    return np.rint(values.astype(float) * 255 / white)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_16_bit_grey_is_scaled_not_clipped(byte_order: str, tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 256).round().astype(f"{byte_order}u2").reshape(16, 16)
    path = saved(tmp_path / "image.tif", Image.fromarray(values))
    assert np.array_equal(read(path, 16)[..., 0].ravel(), np.arange(256))


@pytest.mark.parametrize(("bits", "white"), [(12, 4095), (16, 65535)])
@pytest.mark.parametrize("colour_type", [RGB, RGBA])
def test_a_png_of_16_bit_colours_has_the_range_of_its_values(
    colour_type: int, bits: int, white: int, tmp_path: Path
) -> None:
    values = RANDOM.integers(0, 2**bits, (6, 6, 4 if colour_type == RGBA else 3)).astype(np.uint16)
    values[0, 0, 0], values[..., 3:] = white, 65535
    (tmp_path / "image.png").write_bytes(png(values, 16, colour_type))
    assert np.array_equal(read(tmp_path / "image.png", 6), levels(values[..., :3], white))


def test_a_png_of_16_bit_grey_and_alpha_has_the_range_of_its_grey(tmp_path: Path) -> None:
    values = np.array([[[4095, 65535], [2048, 65535], [4000, 0], [0, 65535]]], np.uint16)
    (tmp_path / "image.png").write_bytes(png(values, 16, GREY_ALPHA))
    assert read(tmp_path / "image.png", 4)[1, :, 0].tolist() == [255, 128, 128, 0]


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("extra", [(), (0,), (2,)], ids=["rgb", "rgbx", "rgba"])
def test_a_tiff_of_16_bit_colours_has_the_range_of_its_values(
    extra: tuple[int, ...], byte_order: str, deflate: bool, tmp_path: Path
) -> None:
    values = RANDOM.integers(0, 4096, (6, 6, 3 + len(extra))).astype(f"{byte_order}u2")
    values[0, 0, 0], values[..., 3:] = 4095, 65535
    (tmp_path / "image.tif").write_bytes(tiff(values, 2, deflate=deflate, extra=extra))
    assert np.array_equal(read(tmp_path / "image.tif", 6), levels(values[..., :3], 4095))


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize(("bits", "extra"), [(16, ()), (12, ()), (12, (2,))])
def test_a_tiff_of_wide_planes_has_the_range_of_its_values(
    bits: int, extra: tuple[int, ...], byte_order: str, deflate: bool, tmp_path: Path
) -> None:
    white = 2**bits - 1
    values = RANDOM.integers(0, 2**bits, (6, 6, 3 + len(extra))).astype(f"{byte_order}u2")
    values[0, 0, 0], values[..., 3:] = white, 65535
    (tmp_path / "image.tif").write_bytes(tiff(values, 2, deflate=deflate, planar=True, extra=extra))
    assert np.array_equal(read(tmp_path / "image.tif", 6), levels(values[..., :3], white))


@pytest.mark.parametrize("magic", ["P3", "P6"])
@pytest.mark.parametrize(("declared", "white"), [(65535, 4095), (4095, 4095), (1000, 1000)])
def test_a_ppm_of_16_bits_has_its_declared_range_or_that_of_its_values(
    declared: int, white: int, magic: str, tmp_path: Path
) -> None:
    values = RANDOM.integers(0, white + 1, (6, 6, 3)).astype(">u2")
    values[0, 0, 0] = white
    text = " ".join(map(str, values.ravel().tolist())).encode()
    (tmp_path / "image.ppm").write_bytes(
        f"{magic} 6 6 {declared}\n".encode() + (text if magic == "P3" else values.tobytes())
    )
    assert np.abs(read(tmp_path / "image.ppm", 6) - levels(values, white)).max() <= 1


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_a_grey_tiff_is_inverted_if_its_zero_is_white(
    byte_order: str, kind: str, deflate: bool, tmp_path: Path
) -> None:
    values = np.array([[0, 1000, 2048, 4095]] * 4, f"{byte_order}{kind}")[..., None]
    if kind[0] == "f":
        values /= 4095
    for photometric, expected in ((1, [0, 62, 128, 255]), (0, [255, 193, 127, 0])):
        (tmp_path / "image.tif").write_bytes(tiff(values, photometric, deflate=deflate))
        assert read(tmp_path / "image.tif", 4)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_unsigned_greys_of_32_bits_are_bright_above_half_of_their_range(
    byte_order: str, deflate: bool, tmp_path: Path
) -> None:
    values = np.array([[0, 2**30, 3 * 2**30, 2**32 - 1]] * 4, f"{byte_order}u4")[..., None]
    (tmp_path / "image.tif").write_bytes(tiff(values, 1, deflate=deflate))
    assert read(tmp_path / "image.tif", 4)[0, :, 0].tolist() == [0, 64, 191, 255]


def test_8_bit_grey_is_inverted_if_its_zero_is_white(tmp_path: Path) -> None:
    (tmp_path / "image.tif").write_bytes(tiff(np.array([[[0], [200]]], "u1"), 0))
    assert read(tmp_path / "image.tif", 2)[0, :, 0].tolist() == [255, 55]


def test_a_transparent_16_bit_grey_shows_the_padding_colour(tmp_path: Path) -> None:
    values = np.full((8, 8, 1), 65535, np.uint16)
    values[:, 4:] = 7
    (tmp_path / "image.png").write_bytes(png(values, 16, GREY, (b"tRNS", b"\x00\x07")))
    pixels = read(tmp_path / "image.png", 8)
    assert is_padding(pixels[:, 4:])
    assert (pixels[:, :4] == 255).all()


def test_a_transparent_16_bit_colour_is_told_from_those_with_the_same_high_bytes(tmp_path: Path) -> None:
    values = np.array([[[0x1201, 0x3401, 0x5601], [0x1202, 0x3401, 0x5601]], [[65535] * 3] * 2], np.uint16)
    (tmp_path / "image.png").write_bytes(png(values, 16, RGB, (b"tRNS", b"\x12\x01\x34\x01\x56\x01")))
    pixels = read(tmp_path / "image.png", 2)
    assert is_padding(pixels[0, 0])
    assert pixels[0, 1].tolist() == [18, 52, 86]


def test_the_range_of_the_set_replaces_that_of_the_image(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.fromarray(np.array([[0, 255]], np.uint16)))
    assert read(path, 2)[0, :, 0].tolist() == [0, 255]
    image = read_square(path, 2, "pad", {"whole-number": (0, 65535)})
    assert image.pixels[0, :, 0].tolist() == [0, 1]
    assert image.extent is not None
    assert (image.extent.low, image.extent.high) == (0, 255)


def test_an_upright_image_of_16_bit_colours_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    values = np.zeros((2, 2, 3), np.uint16)
    values[0, 0] = 65535
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "image.png").write_bytes(png(values, 16, RGB, (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))))
    assert read(tmp_path / "image.png", 2)[..., 0].tolist() == [[0, 255], [0, 0]]
