"""The report for programs, `summary.json`; `docs/reference/summary-json.md` describes its fields."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from lrstudy.answer.state import evidence
from lrstudy.report.cells import Cell, test_accuracy
from lrstudy.report.comparison import Comparison
from lrstudy.report.group_report import GroupReport, Report
from lrstudy.report.tables import interval, scores
from lrstudy.report.warnings import ReportWarning
from lrstudy.statistics.winner import Estimate

SCHEMA = 3
# The fields of the first group that the summary repeats.
OF_FIRST_GROUP = ("state", "headline", "recommendation", "best_so_far")


def summarize(report: Report) -> dict[str, Any]:
    """Return the report as plain values, with null for unknown and infinite numbers."""
    loaded = report.loaded
    groups = [_group(group_report) for group_report in report.group_reports]
    content = {
        "schema": SCHEMA,
        "server": loaded.server,
        "experiment": loaded.experiment,
        "study": loaded.study.run_id if loaded.study else None,
        "queries": list(loaded.queries),
        "runs": {"trainings": len(loaded.trainings), "by_status": dict(report.statuses), "foreign": loaded.foreign},
        **{name: groups[0][name] if groups else None for name in OF_FIRST_GROUP},
        "groups": groups,
        "cells": [row for group_report in report.group_reports for row in _rows(group_report, group_report.cells)],
        "optimizers": [
            row for group_report in report.group_reports for row in _rows(group_report, group_report.optimizers)
        ],
        "warnings": [
            *(_warning(warning, None) for warning in report.warnings),
            *(
                _warning(warning, group_report.number)
                for group_report in report.group_reports
                for warning in group_report.warnings
            ),
        ],
        "left_out": list(report.left_out),
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def _group(group_report: GroupReport) -> dict[str, Any]:
    comparison = group_report.comparison
    return {
        "group": group_report.number,
        "settings": dict(group_report.group.settings),
        "runs": [training.run.run_id for cell in group_report.group.cells for training in cell.trainings],
        "unranked": {reason: [run.run_id for run in runs] for reason, runs in group_report.group.unranked.items()},
        "target_accuracy": comparison.target,
        "state": group_report.state.value,
        "headline": group_report.answer.headline,
        "evidence": evidence(group_report.state, comparison.answer),
        "recommendation": _best(group_report) if group_report.state.best_label == "best" else None,
        "best_so_far": _best(group_report) if group_report.state.best_label == "best so far" else None,
    }


def _best(group_report: GroupReport) -> dict[str, Any]:
    comparison, best = group_report.comparison, group_report.comparison.ranking[0]
    answer, band, test = comparison.answer, comparison.of(best.optimizer).band, test_accuracy(best)
    return {
        **_cell(best),
        "certainty": answer.certainty.value,
        "risk": answer.risk,
        "delta": answer.delta,
        "confidence": answer.confidence,
        "missing_seeds": answer.missing_seeds,
        "contenders": [_against_best(comparison, cell) for cell in comparison.contenders],
        "expected": _expected(answer.winner),
        "bracketed": comparison.of(best.optimizer).bracketed,
        "runner_up": _against_best(comparison, comparison.runner_up) if comparison.runner_up else None,
        "not_distinguishable": [_against_best(comparison, cell) for cell in comparison.indistinguishable],
        "usable_band": {"low": band.low, "high": band.high, "decades": band.decades, "points": band.points}
        if band
        else None,
        "test_accuracy": test.mean,
        "test_accuracy_sd": test.deviation,
        "runs": [training.run.run_id for training in best.trainings],
        "command": group_report.answer.command,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {"optimizer": cell.optimizer, "lr": cell.lr, **scores(cell)}


def _against_best(comparison: Comparison, cell: Cell) -> dict[str, Any]:
    return {**_cell(cell), "status": comparison.status(cell).value, **interval(comparison, cell)}


def _expected(winner: Estimate | None) -> dict[str, Any] | None:
    if winner is None:
        return None
    return {
        "val_loss": winner.loss,
        "val_loss_low": winner.low,
        "val_loss_high": winner.high,
        "test_accuracy": winner.test_accuracy,
    }


def _rows(group_report: GroupReport, frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{"group": group_report.number, **row} for row in frame.to_dict("records")]


def _warning(warning: ReportWarning, group: int | None) -> dict[str, Any]:
    return {"code": warning.code, "group": group, "text": warning.text, "command": warning.command}


def _plain(value: Any) -> Any:
    """Return `value` as strict JSON represents it."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
