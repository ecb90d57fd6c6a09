"""Builders of the cache's entries: from the files of a folder, or from the arrays of a named set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lrstudy.data.cache import BuiltPixels
from lrstudy.data.decoding import CHANNELS, DecodedImage, DecodeJob, create_target, decode_all, drop_colour
from lrstudy.data.folder import Listing
from lrstudy.data.image_preprocessing import square
from lrstudy.data.pixels import channel_sums
from lrstudy.data.progress import image_progress
from lrstudy.data.records import BadImage
from lrstudy.data.value_ranges import Extent, Ranges, merge
from lrstudy.formatting import join_and, pluralize, printable
from lrstudy.hardware import usable_cores

MAX_NAMED = 3


class _Results:
    """The results of all images: arrays with a row per image, and dictionaries for properties that few images have."""

    def __init__(self, images: int) -> None:
        self.sums = np.zeros((images, 2, CHANNELS), np.uint64)
        self.grey = np.ones(images, bool)
        self.reasons: dict[int, str] = {}
        self.transient: set[int] = set()
        self.extents: dict[int, Extent] = {}
        self.profile_ignored: set[int] = set()

    def add(self, image: DecodedImage) -> None:
        """Add the result of an image."""
        if image.sums is None:
            self.reasons[image.row] = image.reason or ""
            self.extents.pop(image.row, None)
            self.transient |= {image.row} if image.transient else set()
            return
        self.sums[image.row], self.grey[image.row] = image.sums, image.grey
        if image.extent:
            self.extents[image.row] = image.extent
        if image.profile_ignored:
            self.profile_ignored.add(image.row)


def build_from_files(listing: Listing, target: Path, side: int, fit: str) -> BuiltPixels:
    """Decode and scale all files of `listing` into `target`; sets of grey images get one channel, others three.

    Images of more than 8 bits per sample are decoded again if their own range differs from that of the whole set.
    """
    numbered = [(row, file.path) for row, file in enumerate(listing.files)]
    job = DecodeJob(str(listing.folder), str(target), side, fit)
    create_target(job, len(numbered))
    results = _Results(len(numbered))
    _decode(job, numbered, "decoding", results)
    ranges = {kind: extent.black_and_white for kind, extent in merge(results.extents.values()).items()}
    own = {row: extent.black_and_white for row, extent in results.extents.items()}
    again = [numbered[row] for row, extent in results.extents.items() if own[row] != ranges[extent.kind]]
    if again:
        _decode(replace(job, ranges=ranges), again, "decoding again, with one range of values:", results)
    channels = 1 if len(results.reasons) < len(numbered) and results.grey.all() else CHANNELS
    if channels == 1:
        drop_colour(target, side**2)
    shape = (len(numbered), side, side, channels)
    bad = {row: BadImage(printable(numbered[row][1]), reason) for row, reason in sorted(results.reasons.items())}
    ignored = [printable(numbered[row][1]) for row in sorted(results.profile_ignored)]
    remarks = (*_ranges_used(results.extents.values(), ranges), *_profiles_ignored(ignored))
    return BuiltPixels(shape, results.sums[:, :, :channels], bad, remarks, bool(results.transient), ranges)


def _decode(job: DecodeJob, numbered: Sequence[tuple[int, str]], action: str, results: _Results) -> None:
    with image_progress(action, len(numbered)) as done:
        for image in decode_all(job, numbered, usable_cores(), done):
            results.add(image)


def _ranges_used(extents: Iterable[Extent], ranges: Ranges) -> Iterator[str]:
    """Yield a sentence on the values that become black and white, per kind of samples of more than 8 bits."""
    for kind, images in Counter(extent.kind for extent in extents).items():
        black, white = ranges[kind]
        have = "has" if images == 1 else "have"
        yield (
            f"{pluralize(images, 'image')} {have} {kind} samples of more than 8 bits: "
            f"{black:.9g} is black and {white:.9g} is white"
        )


def _profiles_ignored(names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence on images whose colour profile cannot be used, if there are any."""
    if names:
        have = "image has a colour profile" if len(names) == 1 else "images have a colour profile"
        shown = join_and(names[:MAX_NAMED], len(names))
        yield f"{len(names)} {have} that cannot be used and is ignored: {shown}"


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
