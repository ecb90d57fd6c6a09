"""Builders of the cache's entries: from the files of a folder, or from the arrays of a named set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lrstudy.data.cache import BuiltPixels
from lrstudy.data.decoding import CHANNELS, DecodeJob, decode_all, drop_colour
from lrstudy.data.folder import Listing
from lrstudy.data.image_preprocessing import square
from lrstudy.data.pixels import channel_sums
from lrstudy.data.progress import image_progress
from lrstudy.data.records import BadImage
from lrstudy.formatting import printable
from lrstudy.hardware import usable_cores


def build_from_files(listing: Listing, target: Path, side: int, fit: str) -> BuiltPixels:
    """Decode and scale all files of `listing` into `target`; sets of grey images get one channel, others three."""
    paths = [file.path for file in listing.files]
    sums = np.zeros((len(paths), 2, CHANNELS), np.uint64)
    bad: dict[int, BadImage] = {}
    grey, transient = True, False
    job = DecodeJob(str(listing.folder), str(target), side, fit)
    with image_progress("decoding", len(paths)) as done:
        for image in decode_all(job, paths, usable_cores(), done):
            if image.sums is None:
                bad[image.row] = BadImage(printable(paths[image.row]), image.reason or "")
                transient = transient or image.transient
            else:
                sums[image.row] = image.sums
                grey = grey and image.grey
    channels = 1 if grey and len(bad) < len(paths) else CHANNELS
    if channels == 1:
        drop_colour(target, side**2)
    return BuiltPixels((len(paths), side, side, channels), sums[:, :, :channels], dict(sorted(bad.items())), transient)


def build_from_arrays(images: np.ndarray, target: Path, side: int, fit: str) -> BuiltPixels:
    """Scale `images`, uint8 `(n, height, width, channels)`, into `target`; keep their channels."""
    from PIL import Image

    channels = images.shape[3]
    sums = np.zeros((len(images), 2, channels), np.uint64)
    with image_progress("scaling", len(images)) as done, target.open("wb") as file:
        for row, image in enumerate(images):
            scaled = square(Image.fromarray(image[..., 0] if channels == 1 else image), side, fit)[..., :channels]
            file.write(scaled.tobytes())
            sums[row] = channel_sums(scaled[None])[0]
            done(1)
    return BuiltPixels((len(images), side, side, channels), sums, {})
