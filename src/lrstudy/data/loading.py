"""Load a data set, by its name or folder: images, labels and splits."""

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
from lrstudy.formatting import pluralize, printable, quote, setting_error

# Part of a cached image's key, and logged with a training: raise it whenever the pixels of an image change.
PREPROCESSING_VERSION = 3
# The side, in pixels, of a folder's images by default.
FOLDER_SIDE = 64


def load(
    data: str, *, data_root: Path | None, image_size: int, fit: str, bad_images: str, split_seed: int
) -> ImageData:
    """Return the data set called `data`, decoded, scaled and split.

    Args:
        data: a name of `SOURCES`, a folder of class folders, or a folder of `train`, `validation` and `test` folders.
        data_root: the folder of torchvision's data sets; None is the user's cache folder.
        image_size: side in pixels; 0 is the source's own, and 64 for a folder.
        fit: `pad` or `crop`.
        bad_images: `error`, or `skip` to train without broken images.
        split_seed: of the splits that the source does not have.

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
        raise _broken_images(data, list(pixels.bad.values()))
    labels = np.array([file.label for file in listing.files], dtype=np.int64)
    labelling = Labelling(labels, np.array(listing.splits), listing.classes)
    name, origin = printable(folder.resolve().name), printable(str(folder.resolve()))
    state = cache.key(_file_states(listing))
    return _assemble(name, origin, pixels, labelling, split_seed, listing.skipped_files, state)


def files_state(data: str) -> str:
    """Return the state of the files of the data folder `data`; as long as it stays the same, so do the images.

    Raises:
        DataError: the folder cannot be read.
    """
    return cache.key(_file_states(_list(data)))


def check_name(data: str) -> None:
    """Check, without reading images, that `data` is the name of a data set or an existing folder.

    Raises:
        DataError: it is neither.
    """
    if data in SOURCES:
        return
    with _readable(data) as folder:
        if not folder.exists():
            similar = get_close_matches(data.lower(), SOURCES, n=1)
            suggestion = f"; did you mean {quote(similar[0])}?" if similar else "."
            raise DataError(setting_error("data", data, f"is neither a known data set nor a folder{suggestion}"))


def _list(data: str) -> Listing:
    check_name(data)
    with _readable(data) as folder:
        return list_folder(folder)


@contextmanager
def _readable(data: str) -> Iterator[Path]:
    try:
        yield Path(data).expanduser()
    except (OSError, RuntimeError, ValueError) as error:  # too long, with a zero byte, or an unknown user's home
        raise DataError(setting_error("data", data, f"cannot be read ({error}).")) from error


def _scale_arrays(arrays: Arrays, root: Path, image_size: int, fit: str) -> cache.ScaledImages:
    """Return the set's own images if they have the requested size; otherwise scale them as images from files."""
    content = cache.array_digest(arrays.images)
    if image_size in (0, arrays.images.shape[1]):
        return cache.ScaledImages(arrays.images, channel_sums(arrays.images), {}, content)
    from lrstudy.data.cache_builders import build_from_arrays

    name, state = cache.key([content, image_size, fit]), cache.key([_preprocessing()])
    return cache.load_or_build(root, name, state, lambda path: build_from_arrays(arrays.images, path, image_size, fit))


def _scale_folder(listing: Listing, root: Path, side: int, fit: str) -> cache.ScaledImages:
    """Return the scaled images of a folder; decode them only if a file has changed since the last time."""
    from lrstudy.data.cache_builders import build_from_files

    name = cache.key([listing.folder.resolve(), side, fit])
    state = cache.key([_preprocessing(), *_file_states(listing)])
    return cache.load_or_build(root, name, state, lambda path: build_from_files(listing, path, side, fit))


def _file_states(listing: Listing) -> Iterator[object]:
    for file in listing.files:
        yield from (file.path, file.size, file.modified_ns, file.changed_ns)


def _preprocessing() -> str:
    """Return the versions of all that makes pixels of files."""
    import PIL

    return f"{PREPROCESSING_VERSION}, Pillow {PIL.__version__}"


def _broken_images(data: str, bad: Sequence[BadImage]) -> DataError:
    lines = "".join(f"\n  {image.path}: {image.reason}" for image in bad)
    problem = f"has {pluralize(len(bad), 'broken image')}; repair or remove them, or use bad_images=skip:{lines}"
    return DataError(setting_error("data", data, problem))


def _assemble(
    name: str,
    origin: str,
    pixels: cache.ScaledImages,
    labelling: Labelling,
    split_seed: int,
    skipped_files: tuple[str, ...] = (),
    files_state: str = "",
) -> ImageData:
    """Split a set whose pixels and labels are loaded, and label rows of broken images -1."""
    labels, classes = labelling.labels.copy(), labelling.classes
    labels[list(pixels.bad)] = -1
    splits = split(replace(labelling, labels=labels), split_seed, name)
    split_of_row = np.full(len(labels), -1)
    for number, split_name in enumerate(SPLITS):
        split_of_row[splits[split_name]] = number
    used = split_of_row >= 0
    mean, std = mean_and_std(pixels.sums[splits["train"]], pixels.images[0, :, :, 0].size)
    digests = [pixels.digest, cache.array_digest(labels[used]), cache.array_digest(split_of_row[used])]
    return ImageData(
        name=name,
        source=origin,
        images=pixels.images,
        labels=labels,
        classes=classes,
        digest=cache.key([*digests, *classes]),
        mean=mean,
        std=std,
        bad_images=tuple(pixels.bad.values()),
        skipped_files=skipped_files,
        remarks=pixels.remarks,
        preprocessing=PREPROCESSING_VERSION,
        files_state=files_state,
        **splits,
    )
