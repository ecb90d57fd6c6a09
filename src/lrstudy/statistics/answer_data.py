"""The answer of a study as data for programs."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from lrstudy.statistics.answer import Answer
from lrstudy.statistics.cell_summary import summarize_cells
from lrstudy.statistics.outcomes import Cell, Outcomes
from lrstudy.statistics.race import untried_neighbours
from lrstudy.statistics.sentences import evidence, headline


def answer_data(outcomes: Outcomes, answer: Answer) -> dict[str, Any]:
    """Return the answer as JSON can hold it: unknown and infinite numbers are None.

    `recommendation` is None unless the answer is sure; `best` is the best cell so far. `limit` is what an open answer
    lacks. `preferred` is one of several cells that tie. `untried_neighbours` are the learning rates half a decade
    beside the best one that the table has not.
    """
    best = _cell(answer.best)
    data = {
        "recommendation": best if answer.is_sure else None,
        "best": best,
        "certainty": str(answer.certainty),
        "confidence": answer.confidence,
        "delta": answer.delta,
        "risk": answer.risk,
        "headline": headline(answer),
        "sentences": evidence(answer),
        "cells": [_named(asdict(cell)) for cell in summarize_cells(outcomes, answer)],
        "usable_band": [cell.lr for cell in answer.band],
        "preferred": _preferred(answer),
        "untried_neighbours": [_cell(cell) for cell in untried(outcomes, answer)],
        "expected": asdict(answer.winner) if answer.winner else None,
        "limit": limit(answer),
        "missing_seeds": answer.missing_seeds,
        "missing_seeds_of": [] if answer.is_sure else [_cell(cell) for cell in _open_cells(answer)],
    }
    return {name: _finite(value) for name, value in data.items()}


def limit(answer: Answer) -> str | None:
    """Return what keeps an answer from being sure: `seeds`, or `failed trainings` if each cell has one."""
    if answer.best is None:
        return "failed trainings"
    return None if answer.is_sure else "seeds"


def _open_cells(answer: Answer) -> list[Cell]:
    return [answer.best, *answer.contenders] if answer.best else []


def untried(outcomes: Outcomes, answer: Answer) -> list[Cell]:
    """Return the cells half a decade beside the best one that the table has not."""
    return untried_neighbours(set(outcomes.cells), [answer.best]) if answer.best else []


def _cell(cell: Cell | None) -> dict[str, Any] | None:
    return cell._asdict() if cell else None


def _preferred(answer: Answer) -> dict[str, Any] | None:
    """Return the preferred one of several cells that tie, with the reason; None unless several do."""
    preference = answer.preference
    if preference is None:
        return None
    ties = [preference.preferred.cell, *(tie.cell for tie in preference.others)]
    return preference.preferred.cell._asdict() | {"reason": str(preference.reason), "of": [_cell(tie) for tie in ties]}


def _named(summary: dict[str, Any]) -> dict[str, Any]:
    """Return a cell's summary with its rank unknown if the cell has none."""
    return summary | {"rank": summary["rank"] or None, "status": str(summary["status"])}


def _finite(value: Any) -> Any:
    """Return a value with None in place of numbers that JSON has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
