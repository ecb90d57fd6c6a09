"""Warnings on scores: loss and accuracy disagree, or a split has too few images for small differences."""

from __future__ import annotations

from collections.abc import Iterator

from lrstudy.formatting import format_percent, join_and, pluralize
from lrstudy.report.comparison import Comparison
from lrstudy.report.optimizer_summary import BAND, most_accurate
from lrstudy.report.runs import Run
from lrstudy.report.warnings.warning import ReportWarning

# With fewer images in a split, one image is more than a percentage point.
FEW_IMAGES = 100
# With fewer validation images, a class's accuracy is mostly chance.
FEW_PER_CLASS = 10
MAX_NAMED = 6


def accuracy_disagrees(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Warn if another cell's accuracy is clearly higher than that of the cell with the lowest loss."""
    top, best = most_accurate(comparison.ranking), comparison.best
    if top and best and best.accuracy.mean < top.accuracy.mean - BAND:
        yield ReportWarning(
            "accuracy_disagrees",
            f"The cell with the lowest validation loss, {best.name}, is not the most accurate: it has "
            f"{format_percent(best.accuracy.mean)}, {top.name} {format_percent(top.accuracy.mean)}. Cells are ranked "
            "by loss.",
        )


def small_splits(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Warn if the validation or test split has so few images that one image is more than a percentage point."""
    images = next((run.images for run in comparison.group.runs if run.images), {})
    for split in ("validation", "test"):
        if 0 < (number := images.get(split, FEW_IMAGES)) < FEW_IMAGES:
            yield ReportWarning(
                f"small_{split}",
                f"The {split} split has {pluralize(number, 'image')}: each is {format_percent(1 / number)} of the "
                "accuracy, so small differences mean nothing.",
            )


def small_classes(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Warn of classes with few validation images."""
    counts = comparison.class_counts
    small = sorted((number, name) for name, number in counts.items() if number < FEW_PER_CLASS)
    if small:
        names = join_and([f"{name} ({number})" for number, name in small[:MAX_NAMED]], len(small))
        have = "has" if len(small) == 1 else "have"
        text = f"{len(small)} of {len(counts)} classes {have} fewer than {FEW_PER_CLASS} validation images: {names}."
        yield ReportWarning("small_classes", text)
