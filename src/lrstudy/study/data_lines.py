"""Lines of the terminal on the data of a training or a study."""

from __future__ import annotations

import sys

from lrstudy.training.specification import DataSummary


def left_out(data: DataSummary) -> str:
    """Return clauses that count the images and files that are left out or equal, if there are any."""
    counts = {
        "broken images left out": len(data.bad_images),
        "files passed over, not images or in no class": data.skipped_files,
        "copies of images in the same split and class": data.duplicates.harmless,
    }
    return "".join(f"; {count} {kind}" for kind, count in counts.items() if count)


def print_warnings(data: DataSummary) -> None:
    """Print what may be wrong with the data, a line each."""
    for sentence in data.warnings:
        print(f"warning: {sentence}", file=sys.stderr, flush=True)
