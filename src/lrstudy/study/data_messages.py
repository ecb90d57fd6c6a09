"""Messages in the terminal about the data of a training or a study."""

from __future__ import annotations

import sys

from lrstudy.formatting import pluralize
from lrstudy.training.specification import DataSummary


def describe_data(data: DataSummary) -> str:
    """Return lines on the images, the classes, and remarks on them."""
    height, width, channels = data.image_shape
    parts = " + ".join(str(images) for images in data.split_sizes.values())
    colour = "grey" if channels == 1 else "colour"
    return (
        f"data: {data.name}, {parts} {colour} images (training + validation + test) of {height}×{width} pixels, "
        f"{data.class_list}{_left_out(data)}\n"
    ) + "".join(f"data: {remark}\n" for remark in data.remarks)


def _left_out(data: DataSummary) -> str:
    """Return clauses that count the images and files that are left out, and those that are equal, if any."""
    counts = [
        (len(data.bad_images), "broken image", "left out"),
        (data.skipped_files, "file", "passed over, not images or in no class"),
        (data.duplicates.harmless, "equal image", "in the same split and class"),
    ]
    return "".join(f"; {pluralize(count, kind)} {where}" for count, kind, where in counts if count)


def print_warnings(data: DataSummary) -> None:
    """Print the warnings about the data, one per line."""
    for sentence in data.warnings:
        print(f"warning: {sentence}", file=sys.stderr, flush=True)
