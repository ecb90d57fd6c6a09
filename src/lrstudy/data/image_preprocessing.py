"""One image of any kind, as a camera, a scanner or a designer makes it, as a square of 8-bit pixels."""

from __future__ import annotations

import stat
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

# Part of what a cached image is known by: to be raised whenever the pixels that an image gives change.
PREPROCESSING_VERSION = f"2, Pillow {PIL.__version__}"

# Around a letterboxed image, and behind transparency. Middle grey: drawings in black and in white on transparency both
# stay visible, and normalised it lies near zero, where it says least.
PADDING = (128, 128, 128)

# Pillow's decoders of pixels. Left out: EPS (runs Ghostscript on the file), WMF and EMF (drawing instructions), MPEG,
# BUFR, GRIB and HDF5 (Pillow knows them but cannot decode them), and formats that any file may be taken for.
FORMATS = (
    *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF", "ICNS", "ICO", "IM"),
    *("JPEG", "JPEG2000", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SUN", "TGA"),
    *("TIFF", "WEBP", "XBM", "XPM"),
)
# Images, by their endings, that are not in these formats: reported like broken ones, for they would be missed.
UNSUPPORTED = {
    *(".svg", ".eps", ".ps", ".wmf", ".emf", ".ai", ".heic", ".heif", ".jxl", ".exr", ".hdr", ".djvu", ".xcf"),
    *(".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dng"),
}
# A long description or colour profile makes no PNG broken: one may take what Pillow allows them all together, 64 MB.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
# What is left of a JPEG that its decoder reduces, in units of the size it is scaled to.
DRAFT_RATIO = 2
# Pillow's reduction before resampling: from 3 on its result is close to that of resampling alone, says its manual.
REDUCING_GAP = 3.0
# From the EXIF standard: the tag of the orientation, and the first of its values for a picture that lies on its side.
ORIENTATION, FIRST_ON_ITS_SIDE = 0x0112, 5
# For images of more than 8 bits: up to which highest value they have which white; None is the highest value itself.
WHITE_OF_WHOLE = {255: 255.0, 4095: 4095.0, 65535: 65535.0}
WHITE_OF_FLOATS = {1: 1.0, 16: None, 255: 255.0}


class BrokenImageError(Exception):
    """A file that should be an image cannot be used; the text says why, in words."""


def read_square(path: str, side: int, fit: str) -> np.ndarray:
    """The image in the file `path`, uint8 `(side, side, 3)`.

    The first frame of an animation, upright, over middle grey where it is transparent; its aspect ratio is kept.

    Args:
        path: any file.
        side: in pixels.
        fit: `pad` scales the whole image into the square, `crop` its middle over all of it.

    Raises:
        BrokenImageError: it cannot be used, for whatever reason.
    """
    try:
        with warnings.catch_warnings():
            # Odd metadata does not make a picture worse, and a large photograph is not yet a decompression bomb.
            warnings.simplefilter("ignore")
            with _open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
                whole = image.size
                loaded = _loaded(image, side, fit)
                upright = _upright(loaded)
                return square(upright, side, fit, _proportions(whole, loaded, upright))
    except BrokenImageError:
        raise
    except Exception as error:
        raise BrokenImageError(_reason(error)) from error


def square(image: Image.Image, side: int, fit: str, proportions: tuple[int, int] | None = None) -> np.ndarray:
    """An upright image of any mode, scaled to uint8 `(side, side, 3)`.

    Args:
        image: any.
        side: in pixels.
        fit: `pad` or `crop`.
        proportions: width and height that it had before its decoder reduced, and so rounded, them.
    """
    return np.asarray(_FITS[fit](to_rgb(image), side, proportions or image.size))


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode in 8-bit RGB, transparency over middle grey.

    Wider values have no range that all agree on. Whole numbers, 16-bit ones too, are taken for the fewest of 8, 12 and
    16 bits that hold the highest; floats up to 1 for shares of white, those up to 16 for shares of their highest, and
    those up to 255 as they are. Beyond, and below 0, the lowest value becomes black and the highest white.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = np.repeat(_to_8_bit(values)[..., None], 3, axis=2)
        if isinstance(clear := image.info.get("transparency"), int):
            grey[values == clear] = PADDING
        return Image.fromarray(grey)
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode == "La":  # from which Pillow converts to no mode but this
        image = image.convert("LA")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, (*PADDING, 255)), coloured).convert("RGB")
    return image.convert("RGB")


def _open_regular(path: str) -> BinaryIO:
    """A file for reading; not a pipe or a device, whose reading could wait for ever."""
    ending = Path(path).suffix.lower()
    if ending in UNSUPPORTED:
        raise BrokenImageError(f"{ending} images are not supported; PNG or JPEG would be")
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise BrokenImageError("it is not a regular file")
    if found.st_size == 0:
        raise BrokenImageError("the file is empty")
    return Path(path).open("rb")


def _loaded(image: Image.Image, side: int, fit: str) -> Image.Image:
    if image.width * image.height > 2 * (Image.MAX_IMAGE_PIXELS or 0):
        raise Image.DecompressionBombError
    scale = side / (max(image.size) if fit == "pad" else min(image.size))
    wanted = [max(1, round(DRAFT_RATIO * scale * length)) for length in image.size]
    image.draft(None, (wanted[0], wanted[1]))
    image.load()
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Damaged metadata fails in many ways; the picture is as good as it was.
        return image


def _proportions(whole: tuple[int, int], loaded: Image.Image, upright: Image.Image) -> tuple[int, int]:
    if loaded.size == whole:
        return upright.size
    lies = upright is not loaded and loaded.getexif().get(ORIENTATION, 1) >= FIRST_ON_ITS_SIDE
    return whole[::-1] if lies else whole


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
    seen = values if finite.all() else values[finite]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    whites = WHITE_OF_WHOLE if values.dtype.kind in "iu" else WHITE_OF_FLOATS
    white = next((white or high for limit, white in whites.items() if high <= limit), None)
    if low >= 0 and white is not None:
        low, high = 0.0, white
    scaled = values.astype(np.float32)  # and from here on in place: the largest images leave no room for more copies
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
    for kind, words in _REASONS.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read: {error.strerror}"
    message = str(error).strip().splitlines()
    return f"damaged: {message[0]}" if message else f"damaged ({type(error).__name__})"


_REASONS: dict[Any, str] = {
    UnidentifiedImageError: "not an image that Pillow can read",
    Image.DecompressionBombError: f"a decompression bomb: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels",
    PermissionError: "permission to read it is denied",
    FileNotFoundError: "there is no such file, or it is a link to none",
    MemoryError: "it needs more memory than there is",
}
