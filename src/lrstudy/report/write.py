"""Write the report of a study: page, figures, tables and summary."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from lrstudy.errors import ReportError
from lrstudy.report import tables
from lrstudy.report.drawings import draw
from lrstudy.report.group_report import Report
from lrstudy.report.page import render
from lrstudy.report.summary import summary

FIGURES, TABLES, SUMMARY = "figures", "tables", "summary.json"


def write_report(made: Report, folder: Path) -> None:
    """Writes a report's files into `folder`; those of an earlier report there go.

    Raises:
        ReportError: they cannot be written.
    """
    try:
        _clear(folder)
        frames = _frames(made)
        for name, frame in frames.items():
            (folder / TABLES / name).write_text(frame.to_csv(index=False), encoding="utf-8")
        drawings, svgs = [], {}
        for drawing in draw(made):
            drawings.append(drawing)
            for kind in ("svg", "png"):
                file = drawing.file(kind)
                (folder / FIGURES / f"{drawing.name}.{kind}").write_bytes(file)
                if kind == "svg":
                    svgs[drawing.name] = file
        (folder / "index.html").write_text(render(made, drawings, svgs, list(frames)), encoding="utf-8")
        text = json.dumps(summary(made), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / SUMMARY).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ReportError(f"--out {folder}: it cannot be written to: {error.strerror}.") from error


def _clear(folder: Path) -> None:
    """Makes the folders, and removes what an earlier report has left in them."""
    for name, kinds in ((FIGURES, ("svg", "png")), (TABLES, ("csv",))):
        (folder / name).mkdir(parents=True, exist_ok=True)
        if (folder / SUMMARY).is_file():
            for kind in kinds:
                for old in (folder / name).glob(f"*.{kind}"):
                    old.unlink()


def _frames(made: Report) -> dict[str, pd.DataFrame]:
    """The tables of all groups, by the names of their files."""
    parts = {
        "cells.csv": [(group_report.number, group_report.cells) for group_report in made.group_reports],
        "optimizers.csv": [(group_report.number, group_report.optimizers) for group_report in made.group_reports],
        "curves.csv": [(group_report.number, group_report.curves) for group_report in made.group_reports],
        "runs.csv": [(group_report.number, group_report.runs) for group_report in made.group_reports],
    }
    frames = {
        name: pd.concat([frame.assign(group=number) for number, frame in some], ignore_index=True)
        for name, some in parts.items()
    }
    shapes = [tables.shapes_table([group_report.comparison for group_report in family]) for family in made.shapes]
    return frames | ({"shapes.csv": pd.concat(shapes, ignore_index=True)} if shapes else {})
