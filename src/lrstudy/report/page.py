"""The page: one HTML file that opens anywhere, with its figures inside and a table behind each."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lrstudy.formatting import (
    NOTHING,
    format_epochs,
    format_loss,
    format_lr,
    format_percent,
    format_with_deviation,
    join_and,
)
from lrstudy.report import tables
from lrstudy.report.cells import Spread, format_spread
from lrstudy.report.comparison import BAND, BELOW_BEST, CONFIDENCE, LAST_SHARE, SLOW_SHARE, gap
from lrstudy.report.drawings import Drawing
from lrstudy.report.figures import NO_VERDICT, VERDICT_COLOURS
from lrstudy.report.group_report import GroupReport, Report
from lrstudy.report.warnings import differing
from lrstudy.server_names import COMMIT, DATA_DIGEST, DEVICE, HARDWARE, THREADS, UNCOMMITTED, VERSIONS

# The page's table of cells has so many, the best ones; its CSV file has all.
SHOWN_CELLS = 60
# The page has so many group_reports, those of the largest groups; `summary.json` has all.
MAX_CHAPTERS = 12
# A table behind a figure has about so many rows; its CSV file has all.
SHOWN_ROWS = 26
SHOWN_COLUMNS = 8


@dataclass(frozen=True)
class Table:
    """Headers and rows of texts; the first `labels` columns name the rows. `note` says what is not in it."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 2
    note: str = ""


def render(report: Report, drawings: Sequence[Drawing], svgs: Mapping[str, bytes], files: Sequence[str]) -> str:
    """The page, given the figures as SVG files by their names, and the names of the tables' files."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    images = {name: f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for name, svg in svgs.items()}
    template = environment.get_template("page.html.j2")
    return template.render(
        report=report,
        title=_title(report),
        drawn=lambda heading, group_report: [
            one for one in drawings if (one.heading, one.group_report) == (heading, group_report)
        ],
        images=images,
        tables={
            "curves": curves_table,
            "basin": basin_table,
            "cells": cells_table,
            "ends": ends_table,
            "optimizers": optimizers_table,
            "shapes": shapes_table,
        },
        glance=_glance,
        settings=_settings,
        colours=VERDICT_COLOURS,
        no_colour=NO_VERDICT,
        origin=_origin(report),
        definitions=_definitions(),
        contents=_contents(report.group_reports[:MAX_CHAPTERS]),
        counts=[f"{number} {status}" for status, number in report.statuses.items()],
        shapes_in_words=shapes_in_words,
        most_chapters=MAX_CHAPTERS,
        joined=join_and,
        files=files,
    )


def curves_table(group_report: GroupReport, drawing: Drawing) -> Table:
    """Validation losses of an optimizer's learning rates, epoch by epoch or every few epochs."""
    own = group_report.curves[group_report.curves.optimizer == drawing.optimizer]
    wide = own.pivot_table(index="epoch", columns="lr", values=["train_loss", "val_loss"], dropna=False)
    rates = sorted(set(own.lr))
    best = group_report.comparison.of(drawing.optimizer).best
    some = rates if len(rates) <= SHOWN_COLUMNS else rates[:: math.ceil(len(rates) / SHOWN_COLUMNS)]
    shown = sorted({*some, *([best.lr] if best else [])} & set(rates))
    steps = list(wide.index)
    kept = sorted({*steps[:: max(1, math.ceil(len(steps) / SHOWN_ROWS))], steps[-1]})
    columns = [(name, lr) for lr in shown for name in ("train_loss", "val_loss") if (name, lr) in wide.columns]
    headers = [f"{format_lr(lr)} {'training' if name == 'train_loss' else 'validation'}" for name, lr in columns]
    rows = tuple((f"{step:g}", *(format_loss(float(wide.loc[step, column])) for column in columns)) for step in kept)
    less = [
        *([f"of {len(rates)} learning rates {len(shown)}"] if len(shown) < len(rates) else []),
        *([f"of {len(steps)} epochs {len(kept)}"] if len(kept) < len(steps) else []),
    ]
    note = f"{join_and(less).capitalize()}; all are in curves.csv, with the bands over the seeds." if less else ""
    return Table(("epoch", *headers), rows, labels=1, note=note)


def basin_table(group_report: GroupReport) -> Table:
    """The best validation loss of each cell."""
    cells = group_report.cells.sort_values(["optimizer", "lr"])
    rows = tuple(
        (
            row.optimizer,
            format_lr(row.lr),
            format_with_deviation(row.best_val_loss, row.best_val_loss_sd, format_loss),
            f"{row.n}",
        )
        for row in cells.itertuples()
    )
    return Table(("optimizer", "learning rate", "best validation loss", "seeds"), rows)


def cells_table(group_report: GroupReport) -> Table:
    """What the verdict on each cell is and what led to it, the best first."""
    rows = tuple(
        (
            row.optimizer,
            format_lr(row.lr),
            f"{row.n}",
            _verdict(row),
            row.kind,
            format_with_deviation(row.best_val_loss, row.best_val_loss_sd, format_loss),
            format_with_deviation(row.best_val_accuracy, row.best_val_accuracy_sd, format_percent),
            row.reason,
        )
        for row in group_report.cells.head(SHOWN_CELLS).itertuples()
    )
    headers = ("optimizer", "learning rate", "seeds", "verdict", "kind", "best val. loss", "val. accuracy")
    return Table((*headers, "the numbers that led to the verdict"), rows)


def ends_table(group_report: GroupReport) -> Table:
    """How each cell ended and how it got there, the best first."""
    target = format_percent(group_report.comparison.target)
    headers = ("optimizer", "learning rate", "best epoch", "final train. loss", "final val. loss", "gap", "steadiness")
    return Table(
        (*headers, f"epochs to {target}", f"seconds to {target}"),
        tuple(
            (
                row.optimizer,
                format_lr(row.lr),
                format_epochs(row.best_epoch),
                format_loss(row.final_train_loss),
                format_with_deviation(row.final_val_loss, row.final_val_loss_sd, format_loss),
                format_loss(row.generalisation_gap),
                format_percent(row.steadiness),
                *_to_target(row),
            )
            for row in group_report.cells.head(SHOWN_CELLS).itertuples()
        ),
    )


def _verdict(row: Any) -> str:
    word = f"{row.verdict} ({row.diverged} of {row.n})" if 0 < row.diverged < row.n else row.verdict
    place = ", best" if row.rank == 1 else ", tied" if row.tied else ""
    return f"{word}{place}{f'; {row.exceptions}' if row.exceptions else ''}"


def _to_target(row: Any) -> tuple[str, str]:
    """The epochs and the seconds that a cell took to the target, and how many of its seeds got there."""
    if row.epochs_to_target == math.inf:
        return "never", "never"
    of_seeds = f" ({row.seeds_at_target} of {row.n})" if 0 < row.seeds_at_target < row.n else ""
    seconds = NOTHING if math.isnan(row.seconds_to_target) else f"{row.seconds_to_target:.3g}"
    return format_epochs(row.epochs_to_target) + of_seeds, seconds


def optimizers_table(group_report: GroupReport) -> Table:
    """Each optimizer's best learning rate, band and sensitivity."""
    rows = []
    for row in group_report.optimizers.itertuples():
        band = NOTHING if math.isnan(row.band_low) else f"{format_lr(row.band_low)} to {format_lr(row.band_high)}"
        span = f"{format_lr(row.sensitivity_low)} to {format_lr(row.sensitivity_high)}, {row.sensitivity_points} points"
        rows.append(
            (
                row.optimizer,
                NOTHING if math.isnan(row.best_lr) else format_lr(row.best_lr),
                format_with_deviation(row.best_val_loss, row.best_val_loss_sd, format_loss),
                format_with_deviation(row.best_val_accuracy, row.best_val_accuracy_sd, format_percent),
                "yes" if row.bracketed else "no",
                band,
                NOTHING if math.isnan(row.band_decades) else f"{row.band_decades:.1f}",
                _sensitivity(row.lr_sensitivity, row.lr_sensitivity_unweighted),
                span,
            )
        )
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
    return Table(headers, tuple(rows), labels=1)


def _sensitivity(value: float, unweighted: float) -> str:
    same = math.isnan(value) or math.isclose(value, unweighted, rel_tol=1e-3)
    return format_loss(value) if same else f"{format_loss(value)} (unweighted {format_loss(unweighted)})"


def shapes_table(family: Sequence[GroupReport]) -> Table:
    """The cells of several shapes of network, the shapes of one cell together."""
    frame = tables.shapes_table([group_report.comparison for group_report in family])
    rows = tuple(
        (
            row.optimizer,
            format_lr(row.lr),
            row.hidden,
            f"{row.n}",
            format_with_deviation(row.best_val_loss, row.best_val_loss_sd, format_loss),
            format_percent(row.best_val_accuracy),
            format_loss(row.final_train_loss),
            format_loss(row.final_val_loss),
            format_with_deviation(row.generalisation_gap, row.generalisation_gap_sd, format_loss),
            row.verdict,
        )
        for row in frame.itertuples()
    )
    headers = ("optimizer", "learning rate", "neurons", "seeds", "best val. loss", "val. accuracy", "final train. loss")
    return Table((*headers, "final val. loss", "gap", "verdict"), rows, labels=3)


def shapes_in_words(family: Sequence[GroupReport]) -> list[str]:
    """What each shape of network comes to with its best cell, the best first."""
    best = [(group_report, group_report.comparison.best) for group_report in family]
    known = sorted(((group_report, cell) for group_report, cell in best if cell), key=lambda pair: pair[1].loss.mean)
    return [
        f"{group_report.group.settings['hidden']} neurons: best with {cell.name}, "
        f"validation loss {format_spread(cell.loss, format_loss)}, "
        f"gap at the end {format_spread(Spread.of(gap(one) for one in cell.trainings), format_loss)} (n = {cell.n})."
        for group_report, cell in known
    ]


def _glance(group_report: GroupReport) -> dict[str, Any]:
    """The grid at a glance, as columns and, by optimizer, the place in each column or None."""
    places = group_report.places
    columns = dict(sorted(zip(places.position, places.column, strict=True)))
    found = {(row.optimizer, row.position): row for row in places.itertuples()}
    return {
        "columns": list(columns.values()),
        "rows": {name: [found.get((name, column)) for column in columns] for name in dict.fromkeys(places.optimizer)},
        "loss": lambda row: (
            NOTHING
            if row.verdict == "diverged"
            else format_with_deviation(row.best_val_loss, row.best_val_loss_sd, format_loss)
        ),
        "accuracy": lambda row: (
            ""
            if row.verdict == "diverged"
            else format_with_deviation(row.best_val_accuracy, row.best_val_accuracy_sd, format_percent)
        ),
        "binned": any(" to " in name for name in columns.values()),
    }


def _settings(group_report: GroupReport) -> list[tuple[str, str]]:
    """A group's settings, what it is of first."""
    first = ("data", "model", "hidden", "epochs", "batch_size")
    order = {name: place for place, name in enumerate(first)}
    return sorted(group_report.group.settings.items(), key=lambda item: (order.get(item[0], len(first)), item[0]))


def _contents(group_reports: Sequence[GroupReport]) -> list[tuple[int, str, str]]:
    """The group_reports, if there are several: numbers, what tells them apart, and their answers."""
    names = differing([group_report.group for group_report in group_reports])
    return [
        (
            group_report.number,
            join_and([f"{name} {group_report.group.settings.get(name, NOTHING)}" for name in names]),
            group_report.answer.headline,
        )
        for group_report in group_reports
        if len(group_reports) > 1
    ]


def _title(report: Report) -> str:
    study = report.found.study
    return study.name if study else f"experiment {report.found.experiment}"


def _definitions() -> dict[str, object]:
    """The constants that the page's explanations name."""
    return {
        "band": f"{100 * BAND:g}",
        "below": f"{100 * BELOW_BEST:g}",
        "confidence": f"{CONFIDENCE:.0%}",
        "slow": f"{SLOW_SHARE:.0%}",
        "cells": SHOWN_CELLS,
        "last": f"{LAST_SHARE:.0%}",
    }


def _origin(report: Report) -> list[tuple[str, str]]:
    """How the report was made: names and values."""
    found = report.found
    runs = found.trainings
    began = datetime.fromtimestamp(min(run.started for run in runs) / 1000, UTC)
    rows = [("tracking server", found.server), ("experiment", found.experiment)]
    if found.study:
        rows.append(("study", f"{found.study.name}, run {found.study.run_id}, {found.study.status.lower()}"))
    rows += [
        ("first training", f"{began:%Y-%m-%d %H:%M} UTC"),
        ("query", "; ".join(found.queries) if any(found.queries) else "all runs of the experiment"),
        ("runs by status", join_and([f"{number} {status}" for status, number in report.statuses.items()])),
    ]
    for name, tag in (
        ("data digest", DATA_DIGEST),
        ("commit", COMMIT),
        ("uncommitted changes", UNCOMMITTED),
        ("versions", VERSIONS),
        ("hardware", HARDWARE),
        ("device", DEVICE),
        ("threads", THREADS),
    ):
        values = list(dict.fromkeys(run.tags[tag] for run in runs if tag in run.tags))
        rows.append(
            (name, "; ".join(values[:5]) + (f"; {len(values) - 5} more" if len(values) > 5 else "") or "not logged")
        )
    seeds = sorted({run.params["seed"] for run in runs if "seed" in run.params}, key=lambda seed: (len(seed), seed))
    rows.append(("seeds", join_and(seeds[:20], len(seeds)) if seeds else "not logged"))
    return rows
