"""Images of more than 8 bits per sample, of which Pillow often decodes only the high bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import cast

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from lrstudy.compat import pillow_internals as pillow
from lrstudy.data.tiff_planes import grey_planes
from lrstudy.data.value_ranges import Extent, measure, to_8_bit

VALUES_PER_LEVEL = 257  # 65535 / 255
OPAQUE = 255


@dataclass(frozen=True, eq=False)
class WideSamples:
    """The samples of an upright image, `(height, width, channels)`: grey or RGB, with alpha if there are 2 or 4.

    `clear` is the colour that is transparent, if there is one. `declared_white` is the highest value that the file
    declares, if any.
    """

    values: np.ndarray
    zero_is_white: bool
    declared_white: float | None
    clear: tuple[int, ...] | None

    @property
    def colours(self) -> np.ndarray:
        """The samples without alpha."""
        channels = self.values.shape[2]
        return self.values[..., : channels - 1 if channels in (2, 4) else channels]

    @property
    def extent(self) -> Extent:
        """The lowest and highest value of the colours."""
        return measure(self.colours, self.declared_white)

    def to_8_bit(self, black: float, white: float) -> Image.Image:
        """Return the image in mode L, LA, RGB or RGBA."""
        colours = self.colours
        levels = to_8_bit(colours, black, white)
        if self.zero_is_white:
            levels = 255 - levels
        if (alpha := self._alpha()) is not None:
            levels = np.concatenate([levels, alpha], axis=2)
        return Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)

    def _alpha(self) -> np.ndarray | None:
        if self.values.shape[2] in (2, 4):
            return np.rint(self.values[..., -1:] / VALUES_PER_LEVEL).astype(np.uint8)
        if self.clear is None:
            return None
        is_clear = (self.colours == np.array(self.clear)).all(axis=2, keepdims=True)
        return np.where(is_clear, 0, OPAQUE).astype(np.uint8)


def read_wide_samples(
    image: Image.Image,
    reopen: Callable[[], AbstractContextManager[Image.Image]],
    rotate: Callable[[Image.Image], Image.Image],
) -> WideSamples | None:
    """Return the samples of an image of more than 8 bits per sample; None if it has at most 8.

    Args:
        image: an image that is not loaded yet.
        reopen: opens the same file again.
        rotate: turns a decoded image upright.
    """
    pillow.correct_raw_mode(image)
    white = pillow.declared_white(image)
    values = _read(image, reopen, rotate)
    if values is None:
        return None
    clear = image.info.get("transparency")
    colour = (clear,) if isinstance(clear, int) else clear if isinstance(clear, tuple) else None
    grey = values.shape[2] == 1
    return WideSamples(values, grey and pillow.zero_is_white(image), white, colour)


def _read(
    image: Image.Image,
    reopen: Callable[[], AbstractContextManager[Image.Image]],
    rotate: Callable[[Image.Image], Image.Image],
) -> np.ndarray | None:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        is_unsigned = pillow.wraps_high_values(image)
        samples = np.asarray(rotate(image))[..., None]
        return samples.view(np.uint32) if is_unsigned else samples
    if pillow.select_wide_greys(image):
        return np.asarray(image).reshape(image.height, -1, 3)
    if pillow.select_all_bytes(image):
        return np.asarray(rotate(image)).view(">u2")
    if pillow.has_wide_planes(image) and (planes := _planes(reopen)):
        return np.stack([_decoded(plane, rotate) for plane in planes], axis=2)
    if not pillow.keeps_high_bytes(image):
        return None
    samples = np.asarray(rotate(image)).astype(np.uint16)
    samples <<= 8  # in place: the largest images leave no memory for more copies
    with reopen() as same:
        pillow.select_low_bytes(same)
        samples |= np.asarray(rotate(same))
    return samples


def _planes(reopen: Callable[[], AbstractContextManager[Image.Image]]) -> list[bytes]:
    """Return the channels of a TIFF as files of their own; none of a kind of TIFF that cannot be divided."""
    with reopen() as same:
        file = cast(ImageFile, same).fp
        if file is None:
            return []
        file.seek(0)
        return list(grey_planes(file.read()))


def _decoded(content: bytes, rotate: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """Return the samples `(height, width)` of a grey image in memory."""
    with Image.open(io.BytesIO(content)) as image:
        pillow.correct_raw_mode(image)
        return np.asarray(rotate(image))
