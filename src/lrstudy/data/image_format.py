"""The images that a network takes, made from files, from their contents, or from arrays of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from lrstudy.data.image_preprocessing import BrokenImageError, read_square, read_square_bytes, square
from lrstudy.data.value_ranges import Ranges, measure, to_8_bit

# The channels of an array: grey, grey with alpha, RGB, RGBA. Only samples of 8 bits may have alpha.
CHANNELS, CHANNELS_WITHOUT_ALPHA = (1, 2, 3, 4), (1, 3)


@dataclass(frozen=True)
class ImageFormat:
    """The format of stored images, uint8 `(side, side, channels)`, with 1 or 3 channels.

    `fit` is `pad` or `crop`; `ranges` are the values that become black and white, by the kind of samples of more than
    8 bits, as the training images had them. Colours become grey for a network of one channel.
    """

    side: int
    channels: int
    fit: str
    ranges: Ranges = field(default_factory=dict)

    def read_file(self, path: str) -> np.ndarray:
        """Return the image in a file of any size and kind.

        Raises:
            BrokenImageError: the file cannot be used.
        """
        return self._with_channels(read_square(path, self.side, self.fit, self.ranges).pixels)

    def read_bytes(self, content: bytes) -> np.ndarray:
        """Return the image in a file of this content.

        Raises:
            BrokenImageError: the content cannot be used.
        """
        return self._with_channels(read_square_bytes(content, self.side, self.fit, self.ranges).pixels)

    def read_array(self, samples: np.ndarray) -> np.ndarray:
        """Return the image of upright samples, `(height, width)` or `(height, width, channels)`, in sRGB.

        Samples that are not uint8 become 8 bits as those of a file do.

        Raises:
            BrokenImageError: the array is not an image.
        """
        image = Image.fromarray(_to_8_bit(samples[..., None] if samples.ndim == 2 else samples, self.ranges))
        return self._with_channels(square(image, self.side, self.fit))

    def _with_channels(self, pixels: np.ndarray) -> np.ndarray:
        return pixels if self.channels == 3 else np.asarray(Image.fromarray(pixels).convert("L"))[..., None]


def _to_8_bit(samples: np.ndarray, ranges: Mapping[str, tuple[float, float]]) -> np.ndarray:
    is_8_bit = samples.dtype == np.uint8
    allowed = CHANNELS if is_8_bit else CHANNELS_WITHOUT_ALPHA
    if samples.ndim != 3 or samples.shape[2] not in allowed or not samples.size or samples.dtype.kind not in "uif":
        shape, channels = "×".join(map(str, samples.shape)), "1 to 4" if is_8_bit else "1 or 3"
        raise BrokenImageError(
            f"an array of {samples.dtype} with the shape {shape} is not an image; it must be numbers of the shape "
            f"(height, width), or (height, width, channels) with {channels} channels"
        )
    if not is_8_bit:
        extent = measure(samples, None)
        samples = to_8_bit(samples, *ranges.get(extent.kind, extent.black_and_white))
    return samples[..., 0] if samples.shape[2] == 1 else samples
