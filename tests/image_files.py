"""Image files of kinds that Pillow does not write, and how tests read files."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lrstudy.data.image_preprocessing import read_square
from lrstudy.data.transparency import PADDING

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def read(path: Path | str, side: int, fit: str = "pad") -> np.ndarray:
    """Return the pixels that training gets of a file alone in its set."""
    return read_square(str(path), side, fit).pixels


def saved(path: Path, image: Image.Image, **options: object) -> str:
    image.save(path, **options)  # type: ignore[arg-type]
    return str(path)


def gradient(width: int = 40, height: int = 20) -> Image.Image:
    """Red grows to the right, green downward, blue is half."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.dstack([red, green, np.full_like(red, 128)]).round().astype(np.uint8))


def is_padding(pixels: np.ndarray) -> bool:
    return bool((pixels == PADDING).all())


def png(samples: np.ndarray, bits: int, colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of `samples`, `(height, width, channels)`, of 1 to 16 bits, with further chunks."""
    height, width, channels = samples.shape
    weights = 1 << np.arange(bits - 1, -1, -1)
    rows = (samples.reshape(height, width * channels, 1) & weights) != 0
    packed = np.packbits(rows.reshape(height, -1), axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in packed)
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    content = [header, *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in content
    )


def tiff(
    samples: np.ndarray, photometric: int, *, deflate: bool = False, planar: bool = False, extra: Sequence[int] = ()
) -> bytes:
    """Return a TIFF of `samples`, `(height, width, channels)`, in their own byte order.

    `photometric` is 0 where 0 is white, 1 where it is black, and 2 for RGB.
    """
    order = ">" if samples.dtype.byteorder == ">" else "<"
    height, width, channels = samples.shape
    strips = [samples[..., channel].tobytes() for channel in range(channels)] if planar else [samples.tobytes()]
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    bits, kind = samples.dtype.itemsize * 8, {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    short, long = "H", "I"
    entries: list[tuple[int, str, Sequence[int]]] = [
        (256, long, [width]),
        (257, long, [height]),
        (258, short, [bits] * channels),
        (259, short, [8 if deflate else 1]),
        (262, short, [photometric]),
        (273, long, [0] * len(strips)),
        (277, short, [channels]),
        (278, long, [height]),
        (279, long, [len(strip) for strip in strips]),
        (284, short, [2 if planar else 1]),
        *([(338, short, extra)] if extra else []),
        (339, short, [kind] * channels),
    ]
    start = 8 + 2 + 12 * len(entries) + 4
    lengths = [len(strip) for strip in strips]
    offsets = [start + sum(lengths[:number]) for number in range(len(strips))]
    content, directory = b"".join(strips), struct.pack(f"{order}H", len(entries))
    for tag, kind_of_value, values in entries:
        value = struct.pack(f"{order}{len(values)}{kind_of_value}", *(offsets if tag == 273 else values))
        directory += struct.pack(f"{order}HHI", tag, 3 if kind_of_value == short else 4, len(values))
        if len(value) > 4:
            directory += struct.pack(f"{order}I", start + len(content))
            content += value
        else:
            directory += value.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(f"{order}I", 8) + directory + bytes(4) + content
