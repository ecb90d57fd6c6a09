"""Provenance of the report: server, query, data, versions, machine; and all that is not included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from lrstudy.formatting import join_and, join_or
from lrstudy.report.drawing import Drawing
from lrstudy.report.group_report import Report
from lrstudy.report.run_settings import recipe_settings
from lrstudy.report.runs import Run
from lrstudy.report.sections.section import Block, Items, KeyValues
from lrstudy.server_names import COMMIT, DATA_DIGEST, DEVICE, HARDWARE, PRECISION, THREADS, UNCOMMITTED, VERSIONS

TAGS = {
    "data digest": DATA_DIGEST,
    "commit": COMMIT,
    "uncommitted changes": UNCOMMITTED,
    "versions": VERSIONS,
    "hardware": HARDWARE,
    "device": DEVICE,
    "threads": THREADS,
    "precision": PRECISION,
}
MAX_VALUES, MAX_SEEDS = 5, 20
NOT_LOGGED = "not logged"


def left_out(report: Report, _: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the sentences on everything that could not be read or used."""
    if report.left_out:
        yield Items(report.left_out)


def blocks(report: Report, _: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the report's sources by name."""
    loaded = report.loaded
    statuses = join_and([f"{number} {status}" for status, number in report.statuses.items()])
    yield KeyValues(
        (
            ("tracking server", loaded.server),
            ("experiment", loaded.experiment),
            *_study(loaded.study),
            ("first training", _first_start(loaded.trainings)),
            ("query", "; ".join(loaded.queries) if any(loaded.queries) else "all runs of the experiment"),
            ("runs by status", statuses),
            *((name, _values(loaded.trainings, tag)) for name, tag in TAGS.items()),
            ("recipe", _recipe(loaded.trainings)),
            ("seeds", _seeds(loaded.trainings)),
        )
    )


def _recipe(runs: Sequence[Run]) -> str:
    """Return the settings of the recipe that are not at their defaults, with their values."""
    values: dict[str, dict[str, None]] = {}
    for run in runs:
        for name, value in recipe_settings(run).items():
            values.setdefault(name, {})[value] = None
    return "; ".join(f"{name}={join_or([*of_name])}" for name, of_name in values.items()) or "plain"


def _study(study: Run | None) -> list[tuple[str, str]]:
    return [("study", f"{study.name}, run {study.run_id}, {study.status.lower()}")] if study else []


def _first_start(runs: Sequence[Run]) -> str:
    return f"{datetime.fromtimestamp(min(run.started for run in runs) / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _values(runs: Sequence[Run], tag: str) -> str:
    values = list(dict.fromkeys(run.tags[tag] for run in runs if tag in run.tags))
    more = f"; {len(values) - MAX_VALUES} more" if len(values) > MAX_VALUES else ""
    return "; ".join(values[:MAX_VALUES]) + more or NOT_LOGGED


def _seeds(runs: Sequence[Run]) -> str:
    seeds = sorted({run.params["seed"] for run in runs if "seed" in run.params}, key=lambda seed: (len(seed), seed))
    return join_and(seeds[:MAX_SEEDS], len(seeds)) if seeds else NOT_LOGGED
