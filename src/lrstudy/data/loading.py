"""From a data set's name or folder to images, labels and a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from lrstudy import cache_paths
from lrstudy.data import cache
from lrstudy.data.folder import Listing, list_folder
from lrstudy.data.pixels import channel_sums, mean_and_std
from lrstudy.data.records import BadImage, ImageData
from lrstudy.data.sources import SOURCES, Arrays
from lrstudy.data.splitting import SPLITS, Labelling, split
from lrstudy.errors import DataError
from lrstudy.formatting import printable

FOLDER_SIDE = 64  # pixels; of a folder's images where no size is asked for


def load(
    data: str, *, data_root: Path | None, image_size: int, fit: str, bad_images: str, split_seed: int
) -> ImageData:
    """The data set called `data`, decoded, scaled and split.

    Args:
        data: a name of `SOURCES`, or a folder of class folders, or one of `train`, `validation` and `test` folders.
        data_root: where torchvision's data sets lie; None is the user's cache folder.
        image_size: side in pixels; 0 is the source's own, of a folder 64.
        fit: `pad` or `crop`.
        bad_images: `error`, or `skip` to leave broken images out.
        split_seed: of the split, where the source has none of its own.

    Raises:
        DataError: the images are missing, broken, or too few.
    """
    root = cache_paths.cache_folder()
    if data in SOURCES:
        arrays = SOURCES[data].read(data_root or root)
        pixels = _scale_arrays(arrays, root / "images", image_size, fit)
        return _assemble(data, SOURCES[data].origin, pixels, arrays.labelling, split_seed)
    listing = _list(data)
    folder = listing.folder
    pixels = _scale_folder(listing, root / "images", image_size or FOLDER_SIDE, fit)
    if pixels.bad and bad_images == "error":
        raise DataError(_broken(data, list(pixels.bad.values())))
    labels = np.array([file.label for file in listing.files], dtype=np.int64)
    labelling = Labelling(labels, np.array(listing.parts), listing.classes)
    name, origin = printable(folder.resolve().name), printable(str(folder.resolve()))
    return _assemble(name, origin, pixels, labelling, split_seed, listing.skipped_files)


def check_name(data: str) -> None:
    """Refuses at once what is neither a data set's name nor something that may be a folder of images.

    Raises:
        DataError: there is nothing of this name.
    """
    if data in SOURCES:
        return
    with _readable(data) as folder:
        if not folder.exists():
            near = get_close_matches(data.lower(), SOURCES, n=1)
            suggestion = f"; did you mean {near[0]}?" if near else "."
            raise DataError(f"data={printable(data)}: there is no such folder{suggestion}")


def _list(data: str) -> Listing:
    check_name(data)
    with _readable(data) as folder:
        return list_folder(folder)


@contextmanager
def _readable(data: str) -> Iterator[Path]:
    try:
        yield Path(data).expanduser()
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, with a zero byte, of no user's home
        raise DataError(f"data={printable(data)}: this folder cannot be read ({error}).") from error


def _scale_arrays(arrays: Arrays, root: Path, image_size: int, fit: str) -> cache.Scaled:
    """The set's own images where they have the size asked for; else scaled, as images from files are."""
    content = cache.array_digest(arrays.images)
    if image_size in (0, arrays.images.shape[1]):
        return cache.Scaled(arrays.images, channel_sums(arrays.images), {}, content)
    from lrstudy.data.cache_builders import build_from_arrays
    from lrstudy.data.image_preprocessing import PREPROCESSING_VERSION

    what, state = cache.key([content, image_size, fit]), cache.key([PREPROCESSING_VERSION])
    return cache.scaled(root, what, state, lambda path: build_from_arrays(arrays.images, path, image_size, fit))


def _scale_folder(listing: Listing, root: Path, side: int, fit: str) -> cache.Scaled:
    """The images of a folder, decoded and scaled now or, if no file has changed since, before."""
    from lrstudy.data.cache_builders import build_from_files
    from lrstudy.data.image_preprocessing import PREPROCESSING_VERSION

    files = (value for file in listing.files for value in (file.path, file.size, file.modified_ns, file.changed_ns))
    what, state = cache.key([listing.folder.resolve(), side, fit]), cache.key([PREPROCESSING_VERSION, *files])
    return cache.scaled(root, what, state, lambda path: build_from_files(listing, path, side, fit))


def _broken(data: str, bad: Sequence[BadImage]) -> str:
    images = "1 image is" if len(bad) == 1 else f"{len(bad)} images are"
    return (
        f"data={printable(data)}: {images} broken; repair or remove them, or train without them by bad_images=skip:\n"
        + "\n".join(f"  {image.path}: {image.reason}" for image in bad)
    )


def _assemble(
    name: str,
    origin: str,
    pixels: cache.Scaled,
    labelling: Labelling,
    split_seed: int,
    skipped_files: tuple[str, ...] = (),
) -> ImageData:
    """Splits a set whose pixels and labels are there. Rows of broken images have the label -1 from here on."""
    labels, classes = labelling.labels.copy(), labelling.classes
    labels[list(pixels.bad)] = -1
    parts = split(replace(labelling, labels=labels), split_seed, name)
    part_of = np.full(len(labels), -1)
    for number, part in enumerate(SPLITS):
        part_of[parts[part]] = number
    used = part_of >= 0
    mean, std = mean_and_std(pixels.sums[parts["train"]], pixels.images[0, :, :, 0].size)
    seen = [pixels.digest, cache.array_digest(labels[used]), cache.array_digest(part_of[used]), *classes]
    return ImageData(
        name=name,
        source=origin,
        images=pixels.images,
        labels=labels,
        classes=classes,
        digest=cache.key(seen),
        mean=mean,
        std=std,
        bad_images=tuple(pixels.bad.values()),
        skipped_files=skipped_files,
        **parts,
    )
