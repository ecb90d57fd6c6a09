"""The tables of the report, as frames: numbers in full, for CSV files, pages and figures alike.

Losses are in nats, accuracies are shares, and what is not known is not a number. The columns of spreads are the mean,
`…_sd`, the sample standard deviation over the seeds, and `n`, the number of seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from lrstudy.report.cells import Cell, Group, Spread, Training
from lrstudy.report.comparison import Comparison, gap, steadiness
from lrstudy.server_names import CURVES

# More learning rates than this do not stand side by side in a table.
MAX_COLUMNS = 10


def scores(cell: Cell | None) -> dict[str, float]:
    """The spreads of a cell's best validation loss and of the accuracy there; not numbers where there is no cell."""
    loss, accuracy = (cell.loss, cell.accuracy) if cell else (Spread.of([]), Spread.of([]))
    return {
        "n": cell.n if cell else 0,
        "best_val_loss": loss.mean,
        "best_val_loss_sd": loss.deviation,
        "best_val_accuracy": accuracy.mean,
        "best_val_accuracy_sd": accuracy.deviation,
    }


def cells_table(comparison: Comparison) -> pd.DataFrame:
    """A row a cell, by the rank of its best validation loss; cells that diverged come last, without a rank."""
    ranks = {id(cell): rank for rank, cell in enumerate(comparison.ranking, 1)}
    ordered = sorted(comparison.group.cells, key=lambda cell: ranks.get(id(cell), math.inf))
    frame = pd.DataFrame([_cell_row(comparison, cell) for cell in ordered])
    # Whole numbers, though some are missing.
    frame.insert(0, "rank", pd.Series([ranks.get(id(cell)) for cell in ordered], dtype=object))
    return frame


def _cell_row(comparison: Comparison, cell: Cell) -> dict[str, object]:
    difference = comparison.difference(cell) if comparison.best and cell is not comparison.best else None
    epochs = [comparison.epochs_to_target(one) for one in cell.trainings]
    reached = [index for index, epoch in enumerate(epochs) if math.isfinite(epoch)]
    final = _spread(cell, lambda one: one.last("val_loss"))
    return {
        "optimizer": cell.optimizer,
        "lr": cell.lr,
        "diverged": cell.diverged,
        "verdict": comparison.verdict(cell),
        "exceptions": comparison.exceptions(cell),
        "kind": comparison.kind(cell),
        "tied": comparison.tied(cell),
        **scores(cell),
        "best_epoch": _spread(cell, lambda one: one.best_epoch).mean,
        "final_train_loss": _spread(cell, lambda one: one.last("train_loss")).mean,
        "final_val_loss": final.mean,
        "final_val_loss_sd": final.deviation,
        "generalisation_gap": _spread(cell, gap).mean,
        "epochs_to_target": _reached(epochs),
        "seconds_to_target": _reached([comparison.seconds_to_target(one) for one in cell.trainings]),
        "seeds_at_target": len(reached),
        "steadiness": _spread(cell, steadiness).mean,
        "difference": difference.mean if difference else math.nan,
        "difference_margin": difference.margin if difference else math.nan,
        "reason": comparison.reason(cell),
    }


def optimizers_table(comparison: Comparison) -> pd.DataFrame:
    """A row an optimizer, by its best cell."""
    rows = []
    for one in comparison.summaries:
        rows.append(
            {
                "optimizer": one.optimizer,
                "best_lr": one.best.lr if one.best else math.nan,
                **scores(one.best),
                "bracketed": one.bracketed,
                "band_low": one.band.low if one.band else math.nan,
                "band_high": one.band.high if one.band else math.nan,
                "band_decades": one.band.decades if one.band else math.nan,
                "lr_sensitivity": one.sensitivity.value,
                "lr_sensitivity_unweighted": one.sensitivity.unweighted,
                "sensitivity_low": one.sensitivity.low,
                "sensitivity_high": one.sensitivity.high,
                "sensitivity_points": one.sensitivity.points,
            }
        )
    return pd.DataFrame(rows)


def curves_table(group: Group) -> pd.DataFrame:
    """A row an epoch of a cell: of each metric the mean, lowest and highest over the `n` seeds that got so far.

    What is no finite number counts as not got so far.
    """
    keys = ["optimizer", "lr", "epoch"]
    frames = []
    for name in CURVES:
        points = _points(group, name)
        spread = points[np.isfinite(points.value)].groupby(keys, sort=False).value
        frames.append(spread.agg(["mean", "min", "max"]).set_axis([name, f"{name}_low", f"{name}_high"], axis=1))
        if name == "val_loss":
            frames.append(spread.size().rename("n"))
    order = {cell.optimizer: place for place, cell in enumerate(group.cells)}
    table = pd.concat(frames, axis=1).reset_index().fillna({"n": 0}).astype({"n": int})
    table.insert(len(keys), "n", table.pop("n"))
    return table.sort_values(
        keys, key=lambda one: one.map(order) if one.name == "optimizer" else one, ignore_index=True
    )


def _points(group: Group, name: str) -> pd.DataFrame:
    """A row an epoch of a run: a metric's values."""
    curves = [(cell, one.run.curves[name]) for cell in group.cells for one in cell.trainings if name in one.run.curves]
    lengths = [len(curve.steps) for _, curve in curves]
    return pd.DataFrame(
        {
            "optimizer": np.repeat(np.array([cell.optimizer for cell, _ in curves], dtype=object), lengths),
            "lr": np.repeat(np.array([cell.lr for cell, _ in curves], dtype=np.float64), lengths),
            "epoch": np.concatenate([np.empty(0, np.int64), *(curve.steps for _, curve in curves)]),
            "value": np.concatenate([np.empty(0), *(curve.values for _, curve in curves)]),
        }
    )


def runs_table(group: Group) -> pd.DataFrame:
    """A row a run, the ranked ones first; `left_out` says why a run is not ranked."""
    ranked = [(one, cell.optimizer, "") for cell in group.cells for one in cell.trainings]
    others = [
        (Training(run, run.params.get("seed", "")), run.params.get("optimizer", ""), why)
        for why, some in group.unranked.items()
        for run in some
    ]
    rows = [
        {
            "run_id": one.run.run_id,
            "name": one.run.name,
            "status": one.run.status,
            "left_out": why,
            "optimizer": optimizer,
            "lr": one.run.params.get("lr", ""),
            "seed": one.run.params.get("seed", ""),
            "verdict": one.verdict,
            "best_val_loss": one.best_val_loss,
            "best_val_accuracy": one.best_val_accuracy,
            "best_epoch": one.best_epoch,
            "last_epoch": one.last_epoch,
            "final_train_loss": one.last("train_loss"),
            "final_val_loss": one.last("val_loss"),
        }
        for one, optimizer, why in [*ranked, *others]
    ]
    return pd.DataFrame(rows)


def shapes_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """A row a cell of each of several shapes of network, so that the shapes of one cell stand together."""
    rows = [
        {
            "optimizer": cell.optimizer,
            "lr": cell.lr,
            "hidden": one.group.settings.get("hidden", ""),
            "n": cell.n,
            "best_val_loss": cell.loss.mean,
            "best_val_loss_sd": cell.loss.deviation,
            "best_val_accuracy": cell.accuracy.mean,
            "final_train_loss": _spread(cell, lambda one: one.last("train_loss")).mean,
            "final_val_loss": _spread(cell, lambda one: one.last("val_loss")).mean,
            "generalisation_gap": _spread(cell, gap).mean,
            "generalisation_gap_sd": _spread(cell, gap).deviation,
            "verdict": one.verdict(cell),
        }
        for one in comparisons
        for cell in one.group.cells
    ]
    return pd.DataFrame(rows).sort_values(["optimizer", "lr"], kind="stable", ignore_index=True)


def _spread(cell: Cell, value: Callable[[Training], float]) -> Spread:
    return Spread.of(value(one) for one in cell.trainings)


def _reached(values: Sequence[float]) -> float:
    """The mean of the finite ones; infinite where there is none, not a number where none is known."""
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        return sum(finite) / len(finite)
    return math.nan if all(map(math.isnan, values)) else math.inf


def glance_table(comparison: Comparison) -> pd.DataFrame:
    """A row a place of the grid seen at a glance: an optimizer with a learning rate, named in `column`.

    Of more learning rates than `MAX_COLUMNS` a column takes half a decade, and of the cells there the best is shown.
    """
    cells = comparison.group.cells
    rates = sorted({cell.lr for cell in cells})
    halves = len(rates) > MAX_COLUMNS
    places: dict[tuple[str, int], Cell] = {}
    for cell in cells:
        place = cell.optimizer, math.floor(2 * math.log10(cell.lr) + 1e-9) if halves else rates.index(cell.lr)
        if place not in places or _better(cell, places[place]):
            places[place] = cell
    return pd.DataFrame(
        [
            {
                "optimizer": optimizer,
                "position": position,
                "column": f"{10 ** (position / 2):.2g} to {10 ** ((position + 1) / 2):.2g}"
                if halves
                else f"{cell.lr:.3g}",
                "lr": cell.lr,
                **scores(cell),
                "verdict": comparison.verdict(cell),
                "exceptions": comparison.exceptions(cell),
                "best": cell is comparison.best,
                "tied": comparison.tied(cell),
            }
            for (optimizer, position), cell in places.items()
        ]
    )


def _better(cell: Cell, other: Cell) -> bool:
    return (cell.diverged, cell.loss.mean) < (other.diverged, other.loss.mean)
