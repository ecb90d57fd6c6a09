"""Load a data set, by its name or folder: images, labels and splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lrstudy import cache_paths
from lrstudy.data import cache
from lrstudy.data.duplicates import find_duplicates
from lrstudy.data.folder import Listing, list_folder
from lrstudy.data.grouping import NO_GROUPS, group_files, spanning_groups
from lrstudy.data.location import check_name, data_path, locate
from lrstudy.data.pixels import channel_sums, mean_and_std
from lrstudy.data.records import BadImage, ImageData
from lrstudy.data.sources import SOURCES, Arrays
from lrstudy.data.splitting import SPLITS, Labelling, missing_classes, split
from lrstudy.errors import DataError
from lrstudy.formatting import pluralize, printable, quote, setting_error

# Part of a cached image's key, and logged with a training: raise it whenever the pixels of an image change.
PREPROCESSING_VERSION = 4
# In the digest of the data, the number of the split of images that `duplicates=drop` leaves out.
DROPPED = len(SPLITS)
# The side, in pixels, of a folder's images by default.
FOLDER_SIDE = 64


@dataclass(frozen=True, eq=False)
class _Source:
    """A data set that is read and scaled, but not yet split; `path` returns a name for the image of a row."""

    name: str
    origin: str
    pixels: cache.ScaledImages
    labelling: Labelling
    path: Callable[[int], str]
    skipped_files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    files_state: str = ""


def load(
    data: str,
    *,
    data_root: Path | None,
    image_size: int,
    fit: str,
    bad_images: str,
    split_seed: int,
    layout: str = "auto",
    duplicates: str = "warn",
    groups: str = NO_GROUPS,
) -> ImageData:
    """Return the data set called `data`, decoded, scaled and split.

    Args:
        data: a name of `SOURCES`, a folder of class folders, or a folder of `train`, `validation` and `test` folders.
        data_root: the folder of torchvision's data sets; None is the user's cache folder.
        image_size: side in pixels; 0 is the source's own, and 64 for a folder.
        fit: `pad` or `crop`.
        bad_images: `error`, or `skip` to train without broken images.
        split_seed: of the splits that the source does not have.
        layout: `classes` or `splits`, the role of the subfolders; `auto` decides by their names.
        duplicates: `warn`, or `drop` to train without images that have a copy in another split or class.
        groups: a regular expression; files whose names have the same match are in one split.

    Raises:
        DataError: the images are missing, broken, or too few, or the folder's layout is ambiguous.
    """
    root = cache_paths.cache_folder()
    if data in SOURCES:
        _check_is_folder(data, {"layout": (layout, "auto"), "groups": (groups, NO_GROUPS)})
        arrays = SOURCES[data].read(data_root or root)
        pixels = _scale_arrays(arrays, root / "images", image_size, fit)
        source = _Source(data, SOURCES[data].origin, pixels, arrays.labelling, "image {}".format)
    else:
        source = _read_folder(data, root / "images", image_size or FOLDER_SIDE, fit, layout, groups)
    if source.pixels.bad and bad_images == "error":
        raise _broken_images(data, list(source.pixels.bad.values()))
    return _assemble(source, split_seed, drop=duplicates == "drop")


def files_state(data: str, layout: str) -> str:
    """Return the state of the files of the data folder `data`; as long as it stays the same, so do the images.

    Raises:
        DataError: the folder cannot be read.
    """
    return cache.key(_file_states(_list(data, layout)))


def _check_is_folder(data: str, given: Mapping[str, tuple[str, str]]) -> None:
    """Check that settings that only have an effect on folders have their defaults."""
    for name, (value, default) in given.items():
        if value != default:
            raise DataError(setting_error(name, value, f"has no effect on data={quote(data)}, which is not a folder."))


def _read_folder(data: str, root: Path, side: int, fit: str, layout: str, pattern: str) -> _Source:
    listing = _list(data, layout)
    paths = [file.path for file in listing.files]
    labels = np.array([file.label for file in listing.files], dtype=np.int64)
    splits = np.array(listing.splits)
    groups, warnings = group_files(paths, pattern) if pattern != NO_GROUPS else (None, [])
    if groups and splits.astype(bool).any():
        warnings += spanning_groups(groups, splits)
    return _Source(
        name=printable(listing.folder.resolve().name),
        origin=printable(str(listing.folder.resolve())),
        pixels=_scale_folder(listing, root, side, fit),
        labelling=Labelling(labels, splits, listing.classes, groups),
        path=lambda row: printable(paths[row]),
        skipped_files=listing.skipped_files,
        warnings=(*listing.warnings, *warnings),
        files_state=cache.key(_file_states(listing)),
    )


def _list(data: str, layout: str) -> Listing:
    check_name(data)
    with data_path(locate(data)) as folder:
        return list_folder(folder, layout)


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
    """Return the versions of the code that reads image files."""
    import PIL

    return f"{PREPROCESSING_VERSION}, Pillow {PIL.__version__}"


def _broken_images(data: str, bad: Sequence[BadImage]) -> DataError:
    lines = "".join(f"\n  {image.path}: {image.reason}" for image in bad)
    problem = f"has {pluralize(len(bad), 'broken image')}; repair or remove them, or use bad_images=skip:{lines}"
    return DataError(setting_error("data", data, problem))


def _assemble(source: _Source, split_seed: int, *, drop: bool) -> ImageData:
    """Split a set whose pixels and labels are loaded, label rows of broken images -1, and find copies."""
    pixels, labelling = source.pixels, source.labelling
    labels, classes = labelling.labels.copy(), labelling.classes
    labels[list(pixels.bad)] = -1
    splits = split(replace(labelling, labels=labels), split_seed, source.name)
    split_of_row = np.full(len(labels), -1)
    for number, split_name in enumerate(SPLITS):
        split_of_row[splits[split_name]] = number

    def describe(row: int) -> tuple[str, str, str]:
        return source.path(row), classes[labels[row]], SPLITS[split_of_row[row]]

    duplicates = find_duplicates(pixels.images, pixels.sums, labels, split_of_row, describe)
    if drop and duplicates.droppable:
        split_of_row[duplicates.droppable] = DROPPED
        splits["train"] = np.setdiff1d(splits["train"], duplicates.droppable)
        _check_remaining(labels[splits["train"]], classes)
    used = split_of_row >= 0
    mean, std = mean_and_std(pixels.sums[splits["train"]], pixels.images[0, :, :, 0].size)
    digests = [pixels.digest, cache.array_digest(labels[used]), cache.array_digest(split_of_row[used])]
    warnings = (*source.warnings, *missing_classes(labels, splits, classes), *duplicates.describe(dropped=drop))
    return ImageData(
        name=source.name,
        source=source.origin,
        images=pixels.images,
        labels=labels,
        classes=classes,
        digest=cache.key([*digests, *classes]),
        mean=mean,
        std=std,
        bad_images=tuple(pixels.bad.values()),
        skipped_files=source.skipped_files,
        remarks=pixels.remarks,
        preprocessing=PREPROCESSING_VERSION,
        files_state=source.files_state,
        warnings=warnings,
        duplicates=duplicates,
        ranges=pixels.ranges,
        **splits,
    )


def _check_remaining(labels: np.ndarray, classes: Sequence[str]) -> None:
    absent = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
    if absent.size:
        problem = f"leaves no image of class {quote(classes[absent[0]])} for training; each has a copy elsewhere."
        raise DataError(setting_error("duplicates", "drop", problem))
