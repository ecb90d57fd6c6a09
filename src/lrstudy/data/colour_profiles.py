"""Conversion of an image's colours to sRGB, by the colour profile or the gamma in its file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from lrstudy.data.png_gamma import profile_of_gamma

# The modes of images that a profile applies to, by its colour space. A profile for RGB converts the greys of a grey
# image.
MODES = {"RGB": ("RGB", "RGBA", "L", "LA"), "GRAY": ("L", "LA"), "CMYK": ("CMYK",)}
# A profile counts as sRGB, of which there are many versions, if its colours differ by at most this many levels.
MAX_SRGB_ERROR = 2
STEPS_PER_CHANNEL = 16
MAX_CACHED = 32

Convert = Callable[[Image.Image], Image.Image]


class UnusableProfileError(Exception):
    """A colour profile is damaged, or is for images of another kind."""


def to_srgb(image: Image.Image, info: Mapping[str | tuple[int, int], Any]) -> Image.Image:
    """Return an image of mode L, LA, RGB, RGBA or CMYK with the colours of sRGB.

    A CMYK image becomes RGB if it has a profile; the mode of any other image stays as it is.

    Args:
        image: the pixels.
        info: Pillow's `Image.info` of the file.

    Raises:
        UnusableProfileError: the colours cannot be converted.
    """
    if "icc_profile" in info:
        profile = info["icc_profile"]
    elif "srgb" in info or "gamma" not in info:
        return image
    else:
        profile = profile_of_gamma(info["gamma"], info.get("chromaticity"))
        if profile is None:
            return image
    convert = _conversion(profile or b"", image.mode)
    return convert(image) if convert else image


@lru_cache(MAX_CACHED)
def _conversion(profile: bytes, mode: str) -> Convert | None:
    """Return a function that converts images of a mode to sRGB; None if they are in sRGB already."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space.strip()
        if mode not in MODES.get(space, ()):
            raise UnusableProfileError
        if mode == "CMYK":
            return _colour_conversion(opened, "CMYK", "RGB")
        if mode in ("L", "LA"):
            return _grey_conversion(_colour_conversion(opened, "L" if space == "GRAY" else "RGB", "RGB"))
        convert = _colour_conversion(opened, "RGB", "RGB")
        return None if _is_identity(convert) else _colour_conversion(opened, mode, mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise UnusableProfileError from error


def _colour_conversion(profile: ImageCms.ImageCmsProfile, mode: str, result: str) -> Convert:
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, result)

    def convert(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image if image.mode == mode else image.convert(mode), transform)
        assert converted is not None  # noqa: S101  (only where it converts in place)
        return converted

    return convert


def _grey_conversion(convert: Convert) -> Convert | None:
    """Return the conversion of grey images by a table of all greys; None if it changes none."""
    greys = np.arange(256)
    converted = np.asarray(convert(Image.fromarray(greys.astype(np.uint8)[None])))[0]
    table = np.rint(converted.mean(axis=1)).astype(int)
    if (abs(table - greys) <= MAX_SRGB_ERROR).all():
        return None
    by_band = table.tolist()

    def look_up(image: Image.Image) -> Image.Image:
        return image.point(by_band if image.mode == "L" else [*by_band, *range(256)])

    return look_up


def _is_identity(convert: Convert) -> bool:
    levels = np.linspace(0, 255, STEPS_PER_CHANNEL).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    converted = np.asarray(convert(Image.fromarray(colours)))
    return bool((abs(converted.astype(int) - colours) <= MAX_SRGB_ERROR).all())
