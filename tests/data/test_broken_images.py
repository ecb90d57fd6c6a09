"""Files that are broken in thousands of ways: each is an image or has a reason, within its time, and runs nothing."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from image_files import read
from lrstudy.data.image_preprocessing import BrokenImageError

SIDE = 16
# Each with a decoder of its own; of formats that Pillow writes.
KINDS = ("AVIF", "BMP", "DDS", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "WEBP")


def outcome(path: Path) -> str:
    """The reason, or `""` for an image."""
    try:
        pixels = read(path, SIDE)
    except BrokenImageError as error:
        reason = str(error)
    else:
        assert pixels.shape == (SIDE, SIDE, 3)
        assert pixels.dtype == np.uint8
        return ""
    assert reason
    assert reason.isprintable()
    return reason


def photo(size: int = 48) -> Image.Image:
    with as_file(files("sklearn.datasets.images") / "flower.jpg") as path, Image.open(path) as image:
        return image.convert("RGB").resize((size, size * 3 // 4))


def encoded(kind: str, image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A copy with flipped bits, a piece lost, doubled or made zeros, or an extreme number in the header."""
    changed = bytearray(content)
    start, end = sorted(chance.randrange(len(changed)) for _ in range(2))
    way = chance.randrange(6)
    if way == 0:
        del changed[start:end]
    elif way == 1:
        changed[end:end] = changed[start:end]
    elif way == 2:
        changed[start:end] = bytes(end - start)
    elif way == 3:
        place = chance.randrange(min(200, len(changed)))
        changed[place : place + 4] = chance.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4)])
    else:
        reach = len(changed) if way == 4 else min(200, len(changed))
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_photograph_with_random_damage_in_any_format_is_an_image_or_has_a_reason(kind: str, tmp_path: Path) -> None:
    chance = random.Random(kind)
    whole = encoded(kind, photo())
    path = tmp_path / "image"
    found = set()
    for _ in range(60):
        path.write_bytes(mutated(whole, chance))
        found.add(bool(outcome(path)))
    assert True in found


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photograph_truncated_at_every_tenth_byte_is_rejected_unless_all_its_pixels_are_there(
    kind: str, tmp_path: Path
) -> None:
    whole, path = encoded(kind, photo()), tmp_path / "image"
    path.write_bytes(whole)
    pixels = read(path, SIDE)
    for length in range(0, len(whole), 10):
        path.write_bytes(whole[:length])
        assert outcome(path) or np.array_equal(read(path, SIDE), pixels), length


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IIIIiiHHIIIIII", 154, 0, 54, 40, width, height, 1, 24, 0, 100, 0, 0, 0, 0) + bytes(100)


def gif(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame


HEADERS: dict[Callable[[int, int], bytes], list[tuple[int, int]]] = {
    png: [(2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (1, 2**31 - 1), (13000, 13000), (0, 5), (5, 0)],
    bmp: [(2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (1, -(2**31)), (-5, 5), (13000, 13000), (0, 0)],
    gif: [(65535, 65535), (65535, 1), (13000, 13000), (0, 0)],
}


@pytest.mark.parametrize(("header", "size"), [(header, size) for header, sizes in HEADERS.items() for size in sizes])
def test_a_small_file_that_says_it_is_huge_or_nothing_has_a_reason(
    header: Callable[[int, int], bytes], size: tuple[int, int], tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(header(*size))
    assert outcome(tmp_path / "image") or header is gif  # whose pixels that are not there are of the background


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images") / "image"


BEGINNINGS = st.sampled_from([encoded(kind, Image.new("RGB", (2, 2)))[:size] for kind in KINDS for size in (8, 40)])


@given(BEGINNINGS, st.binary(max_size=300))
@example(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"(/tmp/x) (w) file")
@settings(max_examples=400, deadline=None, derandomize=True)
def test_any_bytes_after_a_formats_beginning_are_an_image_or_have_a_reason(
    path: Path, beginning: bytes, rest: bytes
) -> None:
    path.write_bytes(beginning + rest)
    outcome(path)


@pytest.mark.parametrize("colours", [0, 1, 3])
@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF"])
def test_colours_that_the_palette_lacks_make_no_image_broken(colours: int, kind: str, tmp_path: Path) -> None:
    image = Image.frombytes("P", (16, 16), bytes(range(256)))
    image.putpalette(bytes(3 * colours))
    options = {"transparency": b"\x00\xff"} if kind == "PNG" and colours == 3 else {}
    (tmp_path / "image").write_bytes(encoded(kind, image, **options))
    assert not outcome(tmp_path / "image")


def test_an_animation_whose_later_frames_are_lost_is_its_first_frame(tmp_path: Path) -> None:
    first = photo()
    whole = encoded("GIF", first, save_all=True, append_images=[first.rotate(90 * turn) for turn in (1, 2, 3)])
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    whole_pixels, cut = (read(tmp_path / name, SIDE) for name in ("whole", "cut"))
    assert np.array_equal(whole_pixels, cut)


def test_a_tiff_whose_pages_lead_in_a_circle_ends(tmp_path: Path) -> None:
    content = bytearray(encoded("TIFF", photo()))
    (directory,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, directory)
    struct.pack_into("<I", content, directory + 2 + 12 * entries, directory)
    (tmp_path / "image.tif").write_bytes(content)
    assert not outcome(tmp_path / "image.tif")


@pytest.mark.parametrize("ending", [".png", ".jpg", ".gif", ".tif", ".webp", ".bmp", ".tga", ".ico", ".psd", ""])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_ending_of_a_files_name_does_not_matter(ending: str, kind: str, tmp_path: Path) -> None:
    right, wrong = tmp_path / f"right.{kind.lower()}", tmp_path / f"wrong{ending}"
    for path in (right, wrong):
        path.write_bytes(encoded(kind, photo()))
    assert np.array_equal(read(wrong, SIDE), read(right, SIDE))
