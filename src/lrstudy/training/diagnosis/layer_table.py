"""The table of a training's layers, `why_layers.csv`: movement, gradient and dead units of each at measured epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from lrstudy.csv_tables import to_csv
from lrstudy.training.diagnosis.activations import Activations
from lrstudy.training.diagnosis.movement import StepMeasurement

PATH = "why_layers.csv"
# The name of a network's own weights, which are in none of its layers.
WHOLE = "(network)"


class LayerRow(NamedTuple):
    """A layer at an epoch; NaN where a layer has no weights or no rectified units.

    `update_ratio` and `gradient_norm` are medians over the epoch's measured steps; `dead_units` is a share.
    """

    epoch: int
    layer: str
    update_ratio: float
    gradient_norm: float
    dead_units: float


def layer_rows(epoch: int, steps: Sequence[StepMeasurement], activations: Activations) -> list[LayerRow]:
    """Return the rows of an epoch: the layers with weights, then those with rectified units alone."""
    rows = {
        movement.layer: LayerRow(
            epoch,
            movement.layer or WHOLE,
            median(step.layers[place].update_ratio for step in steps),
            median(step.layers[place].gradient_norm for step in steps),
            math.nan,
        )
        for place, movement in enumerate(steps[0].layers if steps else ())
    }
    for layer, units in activations.units.items():
        dead = activations.dead[layer] / units
        unmoved = LayerRow(epoch, layer or WHOLE, math.nan, math.nan, dead)
        rows[layer] = rows[layer]._replace(dead_units=dead) if layer in rows else unmoved
    return list(rows.values())


def layers_table(rows: Sequence[LayerRow]) -> bytes:
    """Return the table as a CSV file; unknown values are empty."""
    cells = [["" if isinstance(value, float) and math.isnan(value) else value for value in row] for row in rows]
    return to_csv([LayerRow._fields, *cells]).encode()
