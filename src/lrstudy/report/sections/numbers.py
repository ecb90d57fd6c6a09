"""Tables of a group: its optimizers, its cells, and how each cell ended."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from lrstudy.answer.defaults import CONFIDENCE, DELTA
from lrstudy.formatting import (
    NOTHING,
    format_epochs,
    format_loss,
    format_lr,
    format_percent,
    format_with_deviation,
)
from lrstudy.report.comparison import BELOW_BEST, SLOW_SHARE
from lrstudy.report.drawing import Drawing
from lrstudy.report.group_report import GroupReport, Report
from lrstudy.report.sections.section import Block, NamedTable, Table
from lrstudy.statistics.cell_summary import Status
from lrstudy.statistics.sentences import share
from lrstudy.verdicts.convergence import BEST_PART

# The tables of cells have this many, the best ones; cells.csv has all.
MAX_CELLS = 60
OPTIMIZERS_CAPTION = (
    "Optimizers, by their best cell. Bracketed: a lower and a higher learning rate than the best were tried, at most "
    "half a decade from it. Usable band: the learning rates around the best that are not surely worse than it by more "
    f"than {DELTA:.0%}; unknown with one seed. "
    "Sensitivity follows Wortsman et al. 2023 (arXiv 2309.14322): the mean, over the learning rates tried (each "
    "weighted by its stretch of the logarithmic axis), of the final validation loss, capped at the first loss logged "
    "(the untrained network's, where that was logged), less the lowest; 0 is best. Compare sensitivities over equal "
    "ranges only."
)
CELLS_CAPTION = (
    f"Loss in nats. The target accuracy is the best cell's less {100 * BELOW_BEST:g} percentage points, rounded down. "
    f"Against the best: the loss relative to the best cell's, with intervals that hold for all cells together with "
    f"{CONFIDENCE:.0%} confidence. Failed: a training diverged or collapsed. "
    f"Too slow: by its own curve; or it still improves in its last {BEST_PART:.0%}, it misses the target, and the "
    f"best cell was lower after {SLOW_SHARE:.0%} of the epochs."
)
ENDS_CAPTION = (
    "The end of the same cells' training. Gap: final validation less final training loss. Steadiness: the share of "
    "epochs that lowered the training loss."
)


def blocks(group_report: GroupReport, _: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the three tables."""
    if not group_report.group.cells:
        return
    total = len(group_report.cells)
    cells = f"The first {MAX_CELLS} of {total} cells, best first; cells.csv has all." if total > MAX_CELLS else ""
    yield NamedTable("Optimizers", OPTIMIZERS_CAPTION, optimizers_table(group_report))
    yield NamedTable("Cells", f"{cells or 'Cells, best first.'} {CELLS_CAPTION}", cells_table(group_report))
    yield NamedTable("End of training", ENDS_CAPTION, ends_table(group_report))


def cell_columns(report: Report) -> dict[str, list[str]]:
    """Return the tables of cells of all groups as columns by their headers, with the number of the group."""
    tables = [(one.number, cells_table(one)) for one in report.group_reports if one.group.cells]
    headers = list(dict.fromkeys(header for _, table in tables for header in table.headers))
    columns: dict[str, list[str]] = {"group": [], **{header: [] for header in headers}}
    for number, table in tables:
        for row in table.rows:
            values = dict(zip(table.headers, row, strict=True)) | {"group": f"{number}"}
            for header, column in columns.items():
                column.append(values.get(header, ""))
    return columns


def optimizers_table(group_report: GroupReport) -> Table:
    """Return each optimizer's best learning rate, band and sensitivity."""
    headers = (
        "optimizer",
        "best learning rate",
        "best val. loss",
        "val. accuracy",
        "bracketed",
        "usable band",
        "decades",
        "sensitivity",
        "sensitivity over",
    )
    return Table(headers, tuple(map(_optimizer_row, group_report.optimizers.itertuples())), labels=1)


def _optimizer_row(row: Any) -> tuple[str, ...]:
    band = NOTHING if math.isnan(row.band_low) else f"{format_lr(row.band_low)} to {format_lr(row.band_high)}"
    span = f"{format_lr(row.sensitivity_low)} to {format_lr(row.sensitivity_high)}, {row.sensitivity_points} points"
    return (
        row.optimizer,
        NOTHING if math.isnan(row.best_lr) else format_lr(row.best_lr),
        _loss(row),
        _accuracy(row),
        "yes" if row.bracketed else "no",
        band,
        NOTHING if math.isnan(row.band_decades) else f"{row.band_decades:.1f}",
        _sensitivity(row.lr_sensitivity, row.lr_sensitivity_unweighted),
        span,
    )


def _sensitivity(value: float, unweighted: float) -> str:
    equal = math.isnan(value) or math.isclose(value, unweighted, rel_tol=1e-3)
    return format_loss(value) if equal else f"{format_loss(value)} (unweighted {format_loss(unweighted)})"


def cells_table(group_report: GroupReport) -> Table:
    """Return each cell's verdict and the numbers that led to it, the best first."""
    headers = ("optimizer", "learning rate", "seeds", "verdict", "curve", "best val. loss", "val. accuracy")
    imbalanced = group_report.comparison.is_imbalanced
    return Table(
        (*headers, *["balanced accuracy"] * imbalanced, "against the best", "reason for the verdict"),
        tuple(
            (
                row.optimizer,
                format_lr(row.lr),
                f"{row.n}",
                _verdict(row, group_report.state.best_label),
                row.curve,
                _loss(row),
                _accuracy(row),
                *[_balanced_accuracy(row)] * imbalanced,
                _against_best(row),
                row.reason,
            )
            for row in group_report.cells.head(MAX_CELLS).itertuples()
        ),
    )


def ends_table(group_report: GroupReport) -> Table:
    """Return the end of each cell's training and the time to the target, the best first."""
    target = format_percent(group_report.comparison.target)
    headers = ("optimizer", "learning rate", "best epoch", "final train. loss", "final val. loss", "gap", "steadiness")
    stops_early = "patience" in group_report.group.settings
    return Table(
        (*headers, *["stopped after epoch"] * stops_early, f"epochs to {target}", f"seconds to {target}"),
        tuple(
            (
                row.optimizer,
                format_lr(row.lr),
                format_epochs(row.best_epoch),
                format_loss(row.final_train_loss),
                format_with_deviation(row.final_val_loss, row.final_val_loss_sd, format_loss),
                format_loss(row.generalisation_gap),
                format_percent(row.steadiness),
                *[format_epochs(row.last_epoch)] * stops_early,
                *_to_target(row),
            )
            for row in group_report.cells.head(MAX_CELLS).itertuples()
        ),
    )


def _loss(row: Any) -> str:
    return format_with_deviation(row.best_val_loss, row.best_val_loss_sd, format_loss)


def _accuracy(row: Any) -> str:
    return format_with_deviation(row.best_val_accuracy, row.best_val_accuracy_sd, format_percent)


def _balanced_accuracy(row: Any) -> str:
    return format_with_deviation(row.best_val_balanced_accuracy, row.best_val_balanced_accuracy_sd, format_percent)


def _verdict(row: Any, best: str) -> str:
    verdict = f"{row.verdict} ({row.diverged} of {row.n})" if 0 < row.diverged < row.n else row.verdict
    place = f", {best}" if best and row.rank == 1 else ""
    return f"{verdict}{place}{f'; {row.exceptions}' if row.exceptions else ''}"


def _against_best(row: Any) -> str:
    """Return a cell's status with its interval: `surely worse, by 12% to 40%`."""
    if row.status == Status.WORSE:
        return f"surely worse, by {share(row.difference_low)} to {share(row.difference_high)}"
    known = row.status == Status.SIMILAR and math.isfinite(row.difference_high)
    return f"{row.status}, up to {share(row.difference_high)} worse" if known else row.status


def _to_target(row: Any) -> tuple[str, str]:
    """Return the epochs and seconds to the target, with the number of seeds that reached it."""
    if row.epochs_to_target == math.inf:
        return "never", "never"
    seeds = f" ({row.seeds_at_target} of {row.n})" if 0 < row.seeds_at_target < row.n else ""
    seconds = NOTHING if math.isnan(row.seconds_to_target) else f"{row.seconds_to_target:.3g}"
    return format_epochs(row.epochs_to_target) + seeds, seconds
