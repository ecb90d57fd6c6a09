"""Colour profiles, which are converted to sRGB."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from image_files import GREY, RGB, png, read, saved
from lrstudy.data.colour_profiles import UnusableProfileError, to_srgb
from lrstudy.data.image_preprocessing import read_square

# Adobe RGB (1998): its primaries, adapted to the white of profiles, and its exponent, from its specification.
ADOBE_MATRIX = ((0.60974, 0.20528, 0.14919), (0.31111, 0.62567, 0.06322), (0.01947, 0.06087, 0.74457))
ADOBE_EXPONENT = 563 / 256
WHITE = (0.9642, 1.0, 0.8249)


def profile(space: bytes, exponent: float) -> bytes:
    """Return a profile of version 2, of Adobe RGB's primaries or of grey."""
    curve = b"curv" + struct.pack(">IIHxx", 0, 1, round(exponent * 256))
    tags = {b"wtpt": xyz(WHITE)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for name, column in zip((b"r", b"g", b"b"), zip(*ADOBE_MATRIX, strict=True), strict=True):
            tags |= {name + b"XYZ": xyz(column), name + b"TRC": curve}
    content, table = b"", struct.pack(">I", len(tags))
    for name, value in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(content), len(value))
        content += value
    head = struct.pack(">IIIII", 128 + len(table) + len(content), 0, 0x02100000, 0x6D6E7472, 0)[:16] + space + b"XYZ "
    return (head + bytes(12) + b"acsp" + bytes(28) + xyz(WHITE)[8:]).ljust(128, b"\0") + table + content


def xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


ADOBE_RGB = profile(b"RGB ", ADOBE_EXPONENT)
LINEAR_GREY = profile(b"GRAY", 1.0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("ending", "options"),
    [("png", {}), ("tiff", {}), ("webp", {"lossless": True}), ("jpg", {"quality": 100, "subsampling": 0})],
)
def test_adobe_rgb_becomes_srgb(ending: str, options: dict[str, object], tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 16), (100, 180, 60))
    pixels = read(saved(tmp_path / f"image.{ending}", image, icc_profile=ADOBE_RGB, **options), 8)
    assert (np.abs(pixels.astype(int) - (0, 181, 42)) <= (6 if ending == "jpg" else 0)).all(), pixels[0, 0]


def test_adobe_rgb_with_transparency_becomes_srgb(tmp_path: Path) -> None:
    image = Image.new("RGBA", (8, 8), (100, 180, 60, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 8))
    pixels = read(saved(tmp_path / "image.png", image, icc_profile=ADOBE_RGB), 8)
    assert pixels[0, 0].tolist() == [128, 128, 128]
    assert pixels[0, 7].tolist() == [0, 181, 42]


def test_the_colours_of_a_palette_become_srgb(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([100, 180, 60])
    assert read(saved(tmp_path / "image.png", image, icc_profile=ADOBE_RGB), 8)[0, 0].tolist() == [0, 181, 42]


def test_16_bit_colours_become_srgb(tmp_path: Path) -> None:
    samples = np.array([[[100, 180, 60], [255, 255, 255]]]) * 257
    compressed = io.BytesIO()
    Image.new("RGB", (1, 1)).save(compressed, "PNG", icc_profile=ADOBE_RGB)
    start = compressed.getvalue().index(b"iCCP")
    (length,) = struct.unpack(">I", compressed.getvalue()[start - 4 : start])
    chunk = (b"iCCP", compressed.getvalue()[start + 4 : start + 4 + length])
    (tmp_path / "image.png").write_bytes(png(samples, 16, RGB, chunk))
    assert read(tmp_path / "image.png", 2)[0].tolist() == [[0, 181, 42], [255, 255, 255]]


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_with_a_profile_for_grey_stays_grey(mode: str, tmp_path: Path) -> None:
    image = Image.new("L", (8, 8), 64).convert(mode)
    pixels = read(saved(tmp_path / "image.png", image, icc_profile=LINEAR_GREY), 8)
    assert (pixels == 137).all()  # 0.251 of linear light


def test_grey_with_a_profile_for_rgb_is_converted_by_its_curve(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.new("L", (8, 8), 20), icc_profile=ADOBE_RGB)
    assert (read(path, 8) == 12).all()  # 0.00373 of linear light


def test_cmyk_is_converted_by_its_profile() -> None:
    """A profile for CMYK is made of a table; here of two points per ink, all white but one corner of red."""
    table = bytearray(b"mft1\0\0\0\0\x04\x03\x02\0" + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
    table += bytes(range(256)) * 4
    red = bytes([138, 209, 195])  # L 54, a 81, b 67
    table += b"".join(red if number == 0b0110 else bytes([255, 128, 128]) for number in range(16))
    table += bytes(range(256)) * 3
    cmyk = bytearray(profile(b"CMYK", 1.0))
    head = bytearray(cmyk[:128])
    head[12:16], head[20:24] = b"prtr", b"Lab "
    tags = {b"wtpt": xyz(WHITE), b"A2B0": bytes(table)}
    listing, content = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        listing += name + struct.pack(">II", 132 + 12 * len(tags) + len(content), len(value))
        content += value
    head[:4] = struct.pack(">I", 128 + len(listing) + len(content))
    ink = Image.new("CMYK", (1, 1), (0, 255, 255, 0))
    converted = to_srgb(ink, {"icc_profile": bytes(head) + listing + content})
    assert converted.mode == "RGB"
    assert np.abs(np.array(converted.getpixel((0, 0))) - (255, 0, 0)).max() <= 12
    paper = to_srgb(Image.new("CMYK", (1, 1)), {"icc_profile": bytes(head) + listing + content})
    assert min(paper.getpixel((0, 0))) >= 250  # type: ignore[arg-type]


def test_an_image_in_srgb_is_not_converted() -> None:
    image = Image.new("RGB", (8, 8))
    assert to_srgb(image, {"icc_profile": SRGB}) is image
    assert to_srgb(image, {}) is image


@pytest.mark.parametrize(
    ("mode", "content"),
    [
        ("RGB", b"no profile"),
        ("RGB", ADOBE_RGB[:200]),
        ("RGB", None),
        ("RGB", LINEAR_GREY),
        ("CMYK", ADOBE_RGB),
        ("RGB", ADOBE_RGB.replace(b"mntr", b"link")),
    ],
    ids=["other", "cut", "lost", "grey", "rgb", "link"],
)
def test_a_profile_that_is_broken_or_of_another_kind_of_image_is_unusable(mode: str, content: bytes | None) -> None:
    with pytest.raises(UnusableProfileError):
        to_srgb(Image.new(mode, (1, 1)), {"icc_profile": content})


def test_an_image_with_a_broken_profile_keeps_its_colours_and_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.new("RGB", (8, 8), (100, 180, 60)), icc_profile=ADOBE_RGB[:200])
    image = read_square(path, 8, "pad")
    assert (image.pixels == (100, 180, 60)).all()
    assert image.profile_ignored


def gamma_chunk(gamma: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(gamma * 100000))


ADOBE_CHUNK = b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)


@pytest.mark.parametrize("gamma", [0.35, 0.45455, 0.55, 0.7, 1.0, 2.5])
@pytest.mark.parametrize("colour_type", [GREY, RGB])
def test_pngs_of_one_picture_with_different_gammas_look_alike(colour_type: int, gamma: float, tmp_path: Path) -> None:
    """Middle grey, which reflects 21.4% of the light, is 127.5 in sRGB."""
    samples = np.full((2, 2, 3 if colour_type == RGB else 1), 65535)
    samples[0] = round(65535 * 0.214**gamma)
    (tmp_path / "image.png").write_bytes(png(samples, 16, colour_type, gamma_chunk(gamma)))
    assert np.abs(read(tmp_path / "image.png", 2)[0] - 127.5).max() <= 2


def test_a_pngs_primaries_become_those_of_srgb(tmp_path: Path) -> None:
    samples = np.array([[[100, 180, 60]]])
    (tmp_path / "image.png").write_bytes(png(samples, 8, RGB, gamma_chunk(1 / ADOBE_EXPONENT), ADOBE_CHUNK))
    assert np.abs(read(tmp_path / "image.png", 1)[0, 0].astype(int) - (0, 181, 42)).max() <= 12


@pytest.mark.parametrize(
    "chunks",
    [
        [gamma_chunk(0.45455)],
        [gamma_chunk(0)],
        [gamma_chunk(1.0), (b"sRGB", b"\0")],
        [ADOBE_CHUNK],
        [gamma_chunk(0.45455), (b"cHRM", bytes(32))],
    ],
    ids=["srgb", "zero", "said", "primaries alone", "no primaries"],
)
def test_a_png_keeps_its_colours_without_a_gamma_that_differs_from_that_of_srgb(
    chunks: list[tuple[bytes, bytes]], tmp_path: Path
) -> None:
    (tmp_path / "image.png").write_bytes(png(np.array([[[100, 180, 60]]]), 8, RGB, *chunks))
    assert read(tmp_path / "image.png", 1)[0, 0].tolist() == [100, 180, 60]
