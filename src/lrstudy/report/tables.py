"""The report's tables as data frames, with numbers in full precision: for CSV files, the page and figures alike.

Losses are in nats, accuracies are shares, unknown numbers are NaN. The columns of spreads are the mean, `…_sd`, the
sample standard deviation over the seeds, and `n`, the number of seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from lrstudy.answer.state import AnswerState
from lrstudy.report.cells import Cell, Group, Spread, Training
from lrstudy.report.comparison import Comparison
from lrstudy.report.curve_kinds import describe_curve
from lrstudy.report.curve_measures import generalisation_gap, steadiness
from lrstudy.report.optimizer_summary import OptimizerSummary
from lrstudy.server_names import CURVES
from lrstudy.statistics.cell_summary import Status


def scores(cell: Cell | None) -> dict[str, float]:
    """Return the spreads of a cell's best validation loss and of the accuracies there; NaN where there is no cell."""
    nothing = Spread.of([])
    loss, accuracy, balanced = (cell.loss, cell.accuracy, cell.balanced_accuracy) if cell else (nothing,) * 3
    return {
        "n": cell.n if cell else 0,
        "best_val_loss": loss.mean,
        "best_val_loss_sd": loss.deviation,
        "best_val_accuracy": accuracy.mean,
        "best_val_accuracy_sd": accuracy.deviation,
        "best_val_balanced_accuracy": balanced.mean,
        "best_val_balanced_accuracy_sd": balanced.deviation,
    }


def interval(comparison: Comparison, cell: Cell) -> dict[str, float]:
    """Return a cell's loss relative to the best one's, with its interval: 0.1 is 10% higher, NaN where unknown."""
    against = comparison.against_best(cell)
    low, high = against.interval if against else (math.nan, math.nan)
    return {
        "difference": against.difference if against else math.nan,
        "difference_low": low if math.isfinite(high) else math.nan,
        "difference_high": high if math.isfinite(high) else math.nan,
    }


def cells_table(comparison: Comparison, state: AnswerState) -> pd.DataFrame:
    """Return a row per cell, by its rank; cells with a diverged or collapsed training come last, without a rank."""
    ranks, ordered = {cell: rank for rank, cell in enumerate(comparison.ranking, 1)}, best_first(comparison)
    frame = pd.DataFrame([_cell_row(comparison, cell) for cell in ordered])
    if state is AnswerState.RECOMMENDED:
        frame["status"] = frame["status"].replace(Status.BEST.value, Status.RECOMMENDED.value)
    # A column of objects keeps ranks integers where some are missing.
    frame.insert(0, "rank", pd.Series([ranks.get(cell) for cell in ordered], dtype=object))
    return frame


def _cell_row(comparison: Comparison, cell: Cell) -> dict[str, object]:
    epochs = [comparison.epochs_to_target(training) for training in cell.trainings]
    reached = [index for index, epoch in enumerate(epochs) if math.isfinite(epoch)]
    final = _spread(cell, lambda training: training.last("val_loss"))
    return {
        "optimizer": cell.optimizer,
        "lr": cell.lr,
        "diverged": cell.diverged,
        "verdict": comparison.verdict(cell),
        "exceptions": comparison.exceptions(cell),
        "kind": comparison.kind(cell),
        "curve": describe_curve(comparison, cell),
        "status": comparison.status(cell).value,
        **interval(comparison, cell),
        **scores(cell),
        "best_epoch": _spread(cell, lambda training: training.best_epoch).mean,
        "last_epoch": _spread(cell, lambda training: training.last_epoch).mean,
        "final_train_loss": _spread(cell, lambda training: training.last("train_loss")).mean,
        "final_val_loss": final.mean,
        "final_val_loss_sd": final.deviation,
        "generalisation_gap": _spread(cell, generalisation_gap).mean,
        "epochs_to_target": _reached(epochs),
        "seconds_to_target": _reached([comparison.seconds_to_target(training) for training in cell.trainings]),
        "seeds_at_target": len(reached),
        "steadiness": _spread(cell, steadiness).mean,
        "reason": comparison.reason(cell),
    }


def optimizers_table(comparison: Comparison) -> pd.DataFrame:
    """Return a row per optimizer, by the rank of its best cell."""
    return pd.DataFrame([_optimizer_row(summary) for summary in comparison.summaries])


def _optimizer_row(summary: OptimizerSummary) -> dict[str, object]:
    band, sensitivity = summary.band, summary.sensitivity
    return {
        "optimizer": summary.optimizer,
        "best_lr": summary.best.lr if summary.best else math.nan,
        **scores(summary.best),
        "bracketed": summary.bracketed,
        "band_low": band.low if band else math.nan,
        "band_high": band.high if band else math.nan,
        "band_decades": band.decades if band else math.nan,
        "lr_sensitivity": sensitivity.value,
        "lr_sensitivity_unweighted": sensitivity.unweighted,
        "sensitivity_low": sensitivity.low,
        "sensitivity_high": sensitivity.high,
        "sensitivity_points": sensitivity.points,
    }


def curves_table(group: Group) -> pd.DataFrame:
    """Return a row per epoch of a cell: each metric's mean, lowest and highest of the `n` finite values."""
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
        keys, key=lambda column: column.map(order) if column.name == "optimizer" else column, ignore_index=True
    )


def _points(group: Group, name: str) -> pd.DataFrame:
    """Return a row per epoch of a run: a metric's values."""
    curves = [
        (cell, training.run.curves[name])
        for cell in group.cells
        for training in cell.trainings
        if name in training.run.curves
    ]
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
    """Return a row per run, the ranked ones first; `left_out` is the reason why a run is not ranked."""
    ranked = [(training, cell.optimizer, "") for cell in group.cells for training in cell.trainings]
    others = [
        (Training(run, run.params.get("seed", "")), run.params.get("optimizer", ""), reason)
        for reason, runs in group.unranked.items()
        for run in runs
    ]
    rows = [
        {
            "run_id": training.run.run_id,
            "name": training.run.name,
            "status": training.run.status,
            "left_out": reason,
            "optimizer": optimizer,
            "lr": training.run.params.get("lr", ""),
            "seed": training.run.params.get("seed", ""),
            "verdict": training.verdict,
            "best_val_loss": training.best_val_loss,
            "best_val_accuracy": training.best_val_accuracy,
            "best_epoch": training.best_epoch,
            "last_epoch": training.last_epoch,
            "final_train_loss": training.last("train_loss"),
            "final_val_loss": training.last("val_loss"),
        }
        for training, optimizer, reason in [*ranked, *others]
    ]
    return pd.DataFrame(rows)


def shapes_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return a row per cell of several network shapes, the shapes of one cell side by side."""
    rows = [
        {
            "optimizer": cell.optimizer,
            "lr": cell.lr,
            "hidden": comparison.group.settings.get("hidden", ""),
            "n": cell.n,
            "best_val_loss": cell.loss.mean,
            "best_val_loss_sd": cell.loss.deviation,
            "best_val_accuracy": cell.accuracy.mean,
            "final_train_loss": _spread(cell, lambda training: training.last("train_loss")).mean,
            "final_val_loss": _spread(cell, lambda training: training.last("val_loss")).mean,
            "generalisation_gap": _spread(cell, generalisation_gap).mean,
            "generalisation_gap_sd": _spread(cell, generalisation_gap).deviation,
            "verdict": comparison.verdict(cell),
        }
        for comparison in comparisons
        for cell in comparison.group.cells
    ]
    return pd.DataFrame(rows).sort_values(["optimizer", "lr"], kind="stable", ignore_index=True)


def _spread(cell: Cell, value: Callable[[Training], float]) -> Spread:
    return Spread.of(value(training) for training in cell.trainings)


def _reached(values: Sequence[float]) -> float:
    """Return the mean of the finite values; infinity if none is finite, NaN if none is known."""
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        return sum(finite) / len(finite)
    return math.nan if all(map(math.isnan, values)) else math.inf


def best_first(comparison: Comparison) -> list[Cell]:
    """Return the ranked cells and then those with a failed training."""
    failed = [cell for cell in comparison.group.cells if comparison.status(cell) is Status.FAILED]
    return [*comparison.ranking, *sorted(failed, key=lambda cell: (cell.diverged, cell.loss.mean))]
