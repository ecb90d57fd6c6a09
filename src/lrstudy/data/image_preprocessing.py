"""Preprocessing of one image file of any kind into a square of 8-bit pixels."""

from __future__ import annotations

import stat
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from lrstudy.compat.pillow_internals import allow_long_png_texts

# Part of a cached image's key: raise it whenever the pixels of an image change.
PREPROCESSING_VERSION = f"2, Pillow {PIL.__version__}"

# Around a letterboxed image, and behind transparency. On middle grey, black and white drawings both stay visible;
# normalised, it is close to zero.
PADDING = (128, 128, 128)

# Pillow's decoders of pixels. Left out: EPS (runs Ghostscript on the file), WMF and EMF (drawing instructions), MPEG,
# BUFR, GRIB and HDF5 (Pillow recognises but cannot decode them), and formats that almost any file matches.
FORMATS = (
    *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF", "ICNS", "ICO", "IM"),
    *("JPEG", "JPEG2000", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SUN", "TGA"),
    *("TIFF", "WEBP", "XBM", "XPM"),
)
# Extensions of images in other formats: they are reported like broken images, since a user would miss them.
UNSUPPORTED = {
    *(".svg", ".eps", ".ps", ".wmf", ".emf", ".ai", ".heic", ".heif", ".jxl", ".exr", ".hdr", ".djvu", ".xcf"),
    *(".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dng"),
}
allow_long_png_texts()
# A JPEG's decoder reduces it to about this multiple of the final size.
DRAFT_RATIO = 2
# Pillow's reduction before resampling: from 3 on, its manual says, the result is close to that of resampling alone.
REDUCING_GAP = 3.0
# From the EXIF standard: the orientation's tag, and the first of its values for a picture rotated by 90°.
ORIENTATION, FIRST_ROTATED = 0x0112, 5
# The white of images of more than 8 bits, by an upper limit of their highest value; None is the highest value itself.
WHITE_OF_INTEGERS = {255: 255.0, 4095: 4095.0, 65535: 65535.0}
WHITE_OF_FLOATS = {1: 1.0, 16: None, 255: 255.0}


class BrokenImageError(Exception):
    """An image file cannot be used; the text is the reason, in words."""


def read_square(path: str, side: int, fit: str) -> np.ndarray:
    """Return the image in the file `path`, uint8 `(side, side, 3)`, with its aspect ratio.

    It is upright, over middle grey where it is transparent; of an animation it is the first frame.

    Args:
        path: any file.
        side: in pixels.
        fit: `pad` fits the image into the square, `crop` fills the square with the image's middle.

    Raises:
        BrokenImageError: the file cannot be used, for any reason.
    """
    try:
        with warnings.catch_warnings():
            # Odd metadata does not harm a picture, and a large photograph is not yet a decompression bomb.
            warnings.simplefilter("ignore")
            with _open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
                size = image.size
                decoded = _decode(image, side, fit)
                upright = _rotate_upright(decoded)
                return square(upright, side, fit, _proportions(size, decoded, upright))
    except BrokenImageError:
        raise
    except Exception as error:
        raise BrokenImageError(_reason(error)) from error


def square(image: Image.Image, side: int, fit: str, proportions: tuple[int, int] | None = None) -> np.ndarray:
    """Return an upright image of any mode, scaled to uint8 `(side, side, 3)`.

    Args:
        image: of any mode and size.
        side: in pixels.
        fit: `pad` or `crop`.
        proportions: the width and height before its decoder reduced, and so rounded, them.
    """
    return np.asarray(_FITS[fit](to_rgb(image), side, proportions or image.size))


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode in 8-bit RGB, transparency over middle grey.

    The range of wider values is not standardised. Integers have the fewest of 8, 12 and 16 bits that hold the highest
    value. Floats up to 1 are shares of white, those up to 16 shares of their highest value, and those up to 255 are
    8-bit values. With values above these limits or below 0, the lowest becomes black and the highest white.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = np.repeat(_to_8_bit(values)[..., None], 3, axis=2)
        if isinstance(clear := image.info.get("transparency"), int):
            grey[values == clear] = PADDING
        return Image.fromarray(grey)
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode == "La":  # which Pillow converts only to LA
        image = image.convert("LA")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, (*PADDING, 255)), coloured).convert("RGB")
    return image.convert("RGB")


def _open_regular(path: str) -> BinaryIO:
    """Open a file for reading; reject pipes and devices, since reading them may never end."""
    extension = Path(path).suffix.lower()
    if extension in UNSUPPORTED:
        raise BrokenImageError(f"{extension} images are not supported; convert it to PNG or JPEG")
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise BrokenImageError("it is not a regular file")
    if status.st_size == 0:
        raise BrokenImageError("the file is empty")
    return Path(path).open("rb")


def _decode(image: Image.Image, side: int, fit: str) -> Image.Image:
    if image.width * image.height > 2 * (Image.MAX_IMAGE_PIXELS or 0):
        raise Image.DecompressionBombError
    scale = side / (max(image.size) if fit == "pad" else min(image.size))
    width, height = (max(1, round(DRAFT_RATIO * scale * length)) for length in image.size)
    image.draft(None, (width, height))
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


def _pad(image: Image.Image, side: int, proportions: tuple[int, int]) -> Image.Image:
    scale = side / max(proportions)
    width, height = (max(1, round(scale * length)) for length in proportions)
    scaled = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    padded = Image.new("RGB", (side, side), PADDING)
    padded.paste(scaled, ((side - width) // 2, (side - height) // 2))
    return padded


def _crop(image: Image.Image, side: int, _: tuple[int, int]) -> Image.Image:
    left, top = ((length - min(image.size)) / 2 for length in image.size)
    middle = (left, top, left + min(image.size), top + min(image.size))
    return image.resize((side, side), Image.Resampling.LANCZOS, box=middle, reducing_gap=REDUCING_GAP)


_FITS = {"pad": _pad, "crop": _crop}


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    finite_values = values if finite.all() else values[finite]
    low, high = (float(finite_values.min()), float(finite_values.max())) if finite_values.size else (0.0, 0.0)
    whites = WHITE_OF_INTEGERS if values.dtype.kind in "iu" else WHITE_OF_FLOATS
    white = next((white or high for limit, white in whites.items() if high <= limit), None)
    if low >= 0 and white is not None:
        low, high = 0.0, white
    scaled = values.astype(np.float32)  # from here on in place: the largest images leave no memory for more copies
    scaled -= low
    scaled *= 255 / ((high - low) or 1.0)
    np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    rounded: np.ndarray = np.rint(scaled.clip(0, 255, out=scaled), out=scaled).astype(np.uint8)
    return rounded


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
