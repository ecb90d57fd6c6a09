"""Preprocessing of one image file of any kind into a square of 8-bit pixels."""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from lrstudy.compat.pillow_internals import allow_long_png_texts, allow_wide_tiffs
from lrstudy.data.colour_profiles import UnusableProfileError, to_srgb
from lrstudy.data.file_formats import CAMERA_RAW, HEADER_BYTES, unsupported_content, unsupported_reason
from lrstudy.data.scaling import scale_to_square
from lrstudy.data.transparency import correct_transparent_colour, lay_over_padding
from lrstudy.data.value_ranges import Extent, Ranges
from lrstudy.data.wide_samples import read_wide_samples

# Pillow's decoders of pixels. Left out: EPS (runs Ghostscript on the file), WMF and EMF (drawing instructions), MPEG,
# BUFR, GRIB and HDF5 (Pillow recognises but cannot decode them), and formats that almost any file matches.
FORMATS = (
    *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF", "ICNS", "ICO", "IM"),
    *("JPEG", "JPEG2000", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SUN", "TGA"),
    *("TIFF", "WEBP", "XBM", "XPM"),
)
allow_long_png_texts()
allow_wide_tiffs()
# A JPEG's decoder reduces it to about this multiple of the final size.
DRAFT_RATIO = 2
# From the EXIF standard: the orientation's tag, and the first of its values for a picture rotated by 90°.
ORIENTATION, FIRST_ROTATED = 0x0112, 5


class BrokenImageError(Exception):
    """An image file cannot be used; the text is the reason, in words."""


@dataclass(frozen=True, eq=False)
class SquareImage:
    """An image file as uint8 `pixels`, `(side, side, 3)`.

    `extent` is that of its samples if they are wider than 8 bits. `profile_ignored` says that its colour profile cannot
    be used, and that its colours were taken for sRGB.
    """

    pixels: np.ndarray
    extent: Extent | None
    profile_ignored: bool


def read_square(path: str, side: int, fit: str, ranges: Ranges | None = None) -> SquareImage:
    """Return the image in the file `path`, in sRGB, with its aspect ratio.

    It is upright, over middle grey where it is transparent; of an animation it is the first frame.

    Args:
        path: any file.
        side: in pixels.
        fit: `pad` fits the image into the square, `crop` fills the square with the image's middle.
        ranges: the values that become black and white, by the kind of samples of more than 8 bits; those of a kind that
            it lacks have the range of their own extent.

    Raises:
        BrokenImageError: the file cannot be used, for any reason.
    """
    try:
        with _open_regular(path) as file:
            return _read_square(file, side, fit, ranges)
    except BrokenImageError:
        raise
    except Exception as error:
        raise BrokenImageError(unsupported_reason(path) or _reason(error)) from error


def read_square_bytes(content: bytes, side: int, fit: str, ranges: Ranges | None = None) -> SquareImage:
    """Return the image in a file of this content, as `read_square` does.

    Raises:
        BrokenImageError: the content cannot be used, for any reason.
    """
    if not content:
        raise BrokenImageError("the file is empty")
    try:
        return _read_square(io.BytesIO(content), side, fit, ranges)
    except Exception as error:
        raise BrokenImageError(unsupported_content(content[:HEADER_BYTES]) or _reason(error)) from error


def _read_square(file: BinaryIO, side: int, fit: str, ranges: Ranges | None) -> SquareImage:
    with warnings.catch_warnings():
        # Odd metadata does not harm a picture, and a large photograph is not yet a decompression bomb.
        warnings.simplefilter("ignore")
        with _open_image(file) as image:
            return _square_of(image, file, side, fit, ranges or {})


def _square_of(image: Image.Image, file: BinaryIO, side: int, fit: str, ranges: Ranges) -> SquareImage:
    size = image.size
    if image.width * image.height > 2 * (Image.MAX_IMAGE_PIXELS or 0):
        raise Image.DecompressionBombError
    wide = read_wide_samples(image, lambda: _open_image(file), _rotate_upright)
    extent = wide.extent if wide else None
    if wide and extent:
        upright = wide.to_8_bit(*ranges.get(extent.kind, extent.black_and_white))
        proportions = upright.size
    else:
        decoded = _decode(image, side, fit)
        upright = _rotate_upright(decoded)
        proportions = _proportions(size, decoded, upright)
    info, ignored = image.info, False
    try:
        rgb = to_rgb(upright, info)
    except UnusableProfileError:
        rgb, ignored = to_rgb(upright, {}), True
    return SquareImage(scale_to_square(rgb, side, fit, proportions), extent, ignored)


def square(image: Image.Image, side: int, fit: str) -> np.ndarray:
    """Return an upright image in mode L or RGB, scaled to uint8 `(side, side, 3)`.

    Args:
        image: of any size.
        side: in pixels.
        fit: `pad` or `crop`.
    """
    return scale_to_square(to_rgb(image, {}), side, fit, image.size)


def to_rgb(image: Image.Image, info: Mapping[str | tuple[int, int], Any]) -> Image.Image:
    """Return an image of any mode of 8 bits in RGB, transparency over middle grey.

    Args:
        image: the pixels.
        info: Pillow's on the file, with its colour profile if it has one.

    Raises:
        UnusableProfileError: its colours cannot be converted to sRGB.
    """
    if image.mode == "LAB":
        return _from_lab(image)
    prepared = _prepare(image)
    if prepared.mode != "1":
        prepared = to_srgb(prepared, info)
    if prepared.mode in ("LA", "RGBA"):
        return lay_over_padding(prepared.convert("RGBA"))
    return prepared if prepared.mode == "RGB" else prepared.convert("RGB")


def _prepare(image: Image.Image) -> Image.Image:
    """Return an image of any mode of 8 bits in one of the modes that profiles describe, or in mode 1."""
    if image.mode == "La":
        return image.convert("LA")  # the only mode to which Pillow converts it
    if image.mode in ("1", "L", "LA", "RGB", "RGBA", "CMYK") and "transparency" not in image.info:
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


@contextmanager
def _open_image(file: BinaryIO) -> Iterator[Image.Image]:
    file.seek(0)
    with Image.open(file, formats=FORMATS) as image:
        yield image


def _open_regular(path: str) -> BinaryIO:
    """Open a file for reading; reject pipes and devices, since reading them may never end."""
    if Path(path).suffix.lower() in CAMERA_RAW.extensions:
        raise BrokenImageError(CAMERA_RAW.advice)
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise BrokenImageError("it is not a regular file")
    if status.st_size == 0:
        raise BrokenImageError("the file is empty")
    return Path(path).open("rb")


def _decode(image: Image.Image, side: int, fit: str) -> Image.Image:
    scale = side / (max(image.size) if fit == "pad" else min(image.size))
    width, height = (max(1, round(DRAFT_RATIO * scale * length)) for length in image.size)
    image.draft(None, (width, height))
    correct_transparent_colour(image)
    image.load()
    return image


def _rotate_upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Damaged metadata fails in many ways, and does not harm the picture.
        return image


def _proportions(size: tuple[int, int], decoded: Image.Image, upright: Image.Image) -> tuple[int, int]:
    if decoded.size == size:
        return upright.size
    rotated = upright is not decoded and decoded.getexif().get(ORIENTATION, 1) >= FIRST_ROTATED
    return size[::-1] if rotated else size


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    assert converted is not None  # noqa: S101  (only where it converts in place)
    return converted


def _reason(error: Exception) -> str:
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read: {error.strerror}"
    message = str(error).strip().splitlines()
    return f"damaged: {message[0]}" if message else f"damaged ({type(error).__name__})"


_REASONS: dict[Any, str] = {
    UnidentifiedImageError: "not an image that Pillow can read",
    Image.DecompressionBombError: f"a decompression bomb: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels",
    PermissionError: "permission to read it is denied",
    FileNotFoundError: "the file does not exist, or is a dangling link",
    MemoryError: "it needs more memory than the machine has",
}
