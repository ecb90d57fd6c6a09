"""`summary.json`: the report for programs. `SUMMARY.md` describes it, field by field."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from answer import test_accuracy
from caveats import Caveat
from cells import Cell
from chapters import Chapter, Report
from comparison import Comparison
from tables import scores

SCHEMA = 1


def summary(report: Report) -> dict[str, Any]:
    """The report in plain values: what is not known, or infinite, is null."""
    found = report.found
    groups = [_group(chapter) for chapter in report.chapters]
    content = {
        "schema": SCHEMA,
        "server": found.server,
        "experiment": found.experiment,
        "study": found.study.run_id if found.study else None,
        "queries": list(found.queries),
        "runs": {"trainings": len(found.trainings), "by_status": dict(report.statuses), "foreign": found.foreign},
        "recommendation": groups[0]["recommendation"] if groups else None,
        "groups": groups,
        "cells": [row for chapter in report.chapters for row in _rows(chapter, chapter.cells)],
        "optimizers": [row for chapter in report.chapters for row in _rows(chapter, chapter.optimizers)],
        "warnings": [
            *(_warning(one, None) for one in report.caveats),
            *(_warning(one, chapter.number) for chapter in report.chapters for one in chapter.caveats),
        ],
        "left_out": list(report.left_out),
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def _group(chapter: Chapter) -> dict[str, Any]:
    comparison = chapter.comparison
    return {
        "group": chapter.number,
        "settings": dict(chapter.group.settings),
        "runs": [one.run.run_id for cell in chapter.group.cells for one in cell.trainings],
        "unranked": {reason: [run.run_id for run in some] for reason, some in chapter.group.unranked.items()},
        "target_accuracy": comparison.target,
        "recommendation": _recommendation(chapter) if comparison.best else None,
    }


def _recommendation(chapter: Chapter) -> dict[str, Any]:
    comparison, best = chapter.comparison, chapter.comparison.ranking[0]
    band, test = comparison.of(best.optimizer).band, test_accuracy(best)
    return {
        **_cell(best),
        "bracketed": comparison.of(best.optimizer).bracketed,
        "runner_up": _against_best(comparison, comparison.runner_up) if comparison.runner_up else None,
        "tied": [_cell(cell) for cell in comparison.ranking if comparison.tied(cell)],
        "usable_band": {"low": band.low, "high": band.high, "decades": band.decades, "points": band.points}
        if band
        else None,
        "test_accuracy": test.mean,
        "test_accuracy_sd": test.deviation,
        "runs": [one.run.run_id for one in best.trainings],
        "command": chapter.answer.command,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {"optimizer": cell.optimizer, "lr": cell.lr, **scores(cell)}


def _against_best(comparison: Comparison, cell: Cell) -> dict[str, Any]:
    difference = comparison.difference(cell)
    known = difference.n > 1
    return {
        **_cell(cell),
        "difference": difference.mean,
        "margin": difference.margin,
        "pairs": difference.n if difference.paired else 0,
        "within_seed_noise": difference.is_noise if known else None,
    }


def _rows(chapter: Chapter, frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{"group": chapter.number, **row} for row in frame.to_dict("records")]


def _warning(caveat: Caveat, group: int | None) -> dict[str, Any]:
    return {"code": caveat.code, "group": group, "text": caveat.text, "command": caveat.command}


def _plain(value: Any) -> Any:
    """`value` as strict JSON has it."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
