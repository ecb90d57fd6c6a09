"""Warnings on scores: loss and accuracy disagree, or a split has too few images for small differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from lrstudy.formatting import format_percent, join_and, pluralize
from lrstudy.report.cells import Cell, test_accuracy
from lrstudy.report.comparison import Comparison
from lrstudy.report.optimizer_summary import most_accurate
from lrstudy.report.runs import Run
from lrstudy.report.warnings.warning import ReportWarning

# With fewer images in a split, one image is more than a percentage point.
FEW_IMAGES = 100
# With fewer validation images, a class's accuracy is mostly chance.
FEW_PER_CLASS = 10
MAX_NAMED = 6
# Accuracies that differ by more standard errors than this do not differ by chance: with the binomial ones, 1 in 370.
STANDARD_ERRORS = 3
# A smaller difference between accuracies is not worth a warning.
POINT = 0.01


def accuracy_disagrees(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Warn if another cell's accuracy is clearly higher than that of the best cell."""
    top, best = most_accurate(comparison.ranking), comparison.best
    if top and best and top.accuracy.mean - best.accuracy.mean > _clear_difference(comparison, best):
        yield ReportWarning(
            "accuracy_disagrees",
            f"The cell with the lowest validation loss, {best.name}, is not the most accurate: it has "
            f"{format_percent(best.accuracy.mean)}, {top.name} {format_percent(top.accuracy.mean)}. Cells are ranked "
            "by loss.",
        )


def _clear_difference(comparison: Comparison, best: Cell) -> float:
    """Return the difference of two accuracies on the validation split that is not its sampling alone."""
    images = _split_sizes(comparison).get("validation", 0)
    error = math.sqrt(2 * best.accuracy.mean * (1 - best.accuracy.mean) / images) if images else 0.0
    return max(POINT, STANDARD_ERRORS * error)


def splits_disagree(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Warn if the best cell's accuracies on the validation and the test split differ by more than sampling explains."""
    best, sizes = comparison.best, _split_sizes(comparison)
    if best is None or not (sizes.get("validation") and sizes.get("test")):
        return
    validation, test = best.accuracy.mean, test_accuracy(best).mean
    images = sizes["validation"], sizes["test"]
    share = (validation * images[0] + test * images[1]) / sum(images)
    error = math.sqrt(share * (1 - share) * sum(1 / number for number in images))
    if abs(validation - test) > STANDARD_ERRORS * error:
        yield ReportWarning(
            "splits_disagree",
            f"The accuracy of {best.name} is {format_percent(validation)} on the validation split and "
            f"{format_percent(test)} on the held-out test split: they differ by more than {STANDARD_ERRORS} standard "
            f"errors ({format_percent(error)} each, of {images[0]} and {images[1]} images). The splits are not alike, "
            "or the choice fits one of them.",
        )


def _split_sizes(comparison: Comparison) -> Mapping[str, int]:
    """Return the images per split, empty if unknown."""
    return next((run.images for run in comparison.group.runs if run.images), {})


def small_splits(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Warn if the validation or test split has so few images that one image is more than a percentage point."""
    images = _split_sizes(comparison)
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
