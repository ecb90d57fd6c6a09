"""The table of the heat map: a field per optimizer and learning rate, or half a decade of learning rates."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from lrstudy.report.cells import Cell
from lrstudy.report.comparison import Comparison
from lrstudy.report.curve_kinds import describe_curve
from lrstudy.report.tables import best_first, interval, scores
from lrstudy.statistics.cell_summary import Status
from lrstudy.statistics.sentences import share

# More learning rates than this do not fit side by side in a table.
MAX_COLUMNS = 10


def heat_map_table(comparison: Comparison, best: str) -> pd.DataFrame:
    """Return a row per field of the heat map: an optimizer with a learning rate, named in `column`.

    With more learning rates than `MAX_COLUMNS`, a column spans half a decade and shows the best of its cells. `best` is
    the label of the best cell; if it is empty, none is labelled. `at_most_worse` is a phrase for the cells that are not
    distinguishable from the best one.
    """
    cells = comparison.group.cells
    lrs = sorted({cell.lr for cell in cells})
    binned = len(lrs) > MAX_COLUMNS
    order = {cell: place for place, cell in enumerate(best_first(comparison))}
    fields: dict[tuple[str, int], Cell] = {}
    for cell in cells:
        field = cell.optimizer, _half_decade(cell.lr) if binned else lrs.index(cell.lr)
        if field not in fields or order[cell] < order[fields[field]]:
            fields[field] = cell
    return pd.DataFrame(
        [
            {
                "optimizer": optimizer,
                "position": position,
                "column": _half_decade_name(position) if binned else f"{cell.lr:.3g}",
                "lr": cell.lr,
                "name": cell.name,
                "curve": describe_curve(comparison, cell),
                **scores(cell),
                "verdict": comparison.verdict(cell),
                "exceptions": comparison.exceptions(cell),
                "best": bool(best) and cell is comparison.best,
                "place": f", {best}" if best and cell is comparison.best else "",
                "at_most_worse": at_most_worse(comparison.status(cell), interval(comparison, cell)) if best else "",
            }
            for (optimizer, position), cell in fields.items()
        ]
    )


def at_most_worse(status: Status, bounds: Mapping[str, float]) -> str:
    """Return `up to 12% worse` for a cell that is not distinguishable from the best one, if the bound is known."""
    high = bounds["difference_high"]
    known = status is Status.SIMILAR and math.isfinite(high)
    return f"up to {share(high)} worse" if known else ""


def _half_decade(lr: float) -> int:
    return math.floor(2 * math.log10(lr) + 1e-9)


def _half_decade_name(position: int) -> str:
    return f"{10 ** (position / 2):.2g} to {10 ** ((position + 1) / 2):.2g}"
