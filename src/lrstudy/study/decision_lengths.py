"""The number of trainings after which replayed decisions were sure, and the chance that one with a budget will be."""

from __future__ import annotations

import json
import math
from pathlib import Path

# By delta, how many trainings made 5%, 10%, … of the replayed decisions sure; null if more than 300 did not. Written by
# `python benchmarks/decide.py --replays 40 --lengths FILE`; the pools have four optimizers each.
LENGTHS = Path(__file__).with_suffix(".json")
STEP, OPTIMIZERS = 0.05, 4


def chance_of_sure_answer(trainings: int, delta: float, optimizers: int) -> tuple[float, float]:
    """Return the share of replayed decisions that were sure after as many trainings per optimizer, and to which delta.

    Between the replayed values of delta the share is interpolated by the logarithm; beyond them it is that of the
    nearest.

    Args:
        trainings: that a budget allows.
        delta: the difference that does not matter, as a share of the loss.
        optimizers: the number of optimizers to choose from.
    """
    scaled = trainings * OPTIMIZERS / optimizers
    lengths = {float(known): quantiles for known, quantiles in json.loads(LENGTHS.read_text()).items()}
    chances = {known: _share_within(quantiles, scaled) for known, quantiles in lengths.items()}
    replayed = min(max(delta, min(chances)), max(chances))
    below = max(known for known in chances if known <= replayed)
    above = min(known for known in chances if known >= replayed)
    weight = math.log(replayed / below) / math.log(above / below) if below < above else 0.0
    return chances[below] + weight * (chances[above] - chances[below]), replayed


def _share_within(quantiles: list[int | None], trainings: float) -> float:
    """Return the share of decisions that took at most so many trainings, to the step of the quantiles."""
    return STEP * sum(length is not None and length <= trainings for length in quantiles)
