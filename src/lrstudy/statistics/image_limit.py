"""The limit that the number of validation images sets to an answer, whatever the number of seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrstudy.statistics.comparisons import as_share
from lrstudy.statistics.images import crossed_difference
from lrstudy.statistics.outcomes import Cell, Outcomes


@dataclass(frozen=True)
class ImageLimit:
    """The difference of the closest rival to the recommended cell, for new images as well as new seeds.

    `low` to `high` is the interval of the rival's loss relative to the recommended one's: 0.1 is 10% higher. `images`
    is the number of validation images, `images_needed` the number that would narrow the interval to the share that
    matters on either side, infinite if none would; `seeds_suffice` is whether more seeds alone would.
    """

    rival: Cell
    low: float
    high: float
    images: int
    images_needed: float
    seeds_suffice: bool


def image_limit(outcomes: Outcomes, best: Cell, rival: Cell, delta: float, confidence: float) -> ImageLimit | None:
    """Return the limit of the images; None if the losses per image of two seeds of both cells are not known.

    Args:
        outcomes: of trainings, with their losses per validation image.
        best: the recommended cell.
        rival: the cell that is closest to it.
        delta: the difference that does not matter, as a share of the loss.
        confidence: of the interval.
    """
    difference = crossed_difference(outcomes, rival, best)
    if difference is None:
        return None
    low, high = difference.interval("both", confidence)
    margin = math.log1p(delta)
    return ImageLimit(
        rival,
        as_share(low),
        as_share(high),
        difference.images,
        difference.images_needed(margin, confidence),
        seeds_suffice=math.isfinite(difference.seeds_needed(margin, confidence)),
    )
