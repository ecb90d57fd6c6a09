"""Scale an upright RGB image to a square."""

from __future__ import annotations

import numpy as np
from PIL import Image

from lrstudy.data.transparency import PADDING

# Pillow's reduction before resampling: from 3 on, its manual says, the result is close to that of resampling alone.
REDUCING_GAP = 3.0


def scale_to_square(image: Image.Image, side: int, fit: str, proportions: tuple[int, int]) -> np.ndarray:
    """Return an RGB image as a square.

    Args:
        image: the pixels.
        side: in pixels.
        fit: `pad` or `crop`.
        proportions: the width and height before its decoder reduced, and so rounded, them.
    """
    return np.asarray(_FITS[fit](image, side, proportions))


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
