"""Write the files of a report: page, figures, tables and summary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lrstudy.csv_tables import escape_formula
from lrstudy.errors import ReportError
from lrstudy.report.group_report import GroupReport, Report
from lrstudy.report.page import compose, render
from lrstudy.report.summary import summarize

FIGURES, TABLES, PAGE, SUMMARY = "figures", "tables", "index.html", "summary.json"
FIGURE_TYPES = ("svg", "png")
# The tables of all groups, by the names of their files.
FRAMES: dict[str, Callable[[GroupReport], pd.DataFrame]] = {
    "cells.csv": lambda group_report: group_report.cells,
    "optimizers.csv": lambda group_report: group_report.optimizers,
    "curves.csv": lambda group_report: group_report.curves,
    "runs.csv": lambda group_report: group_report.runs,
}


def write_report(report: Report, folder: Path) -> None:
    """Write a report's files into `folder`, in place of those of an earlier report.

    Raises:
        ReportError: the files cannot be written.
    """
    try:
        _prepare(folder)
        frames = _frames(report)
        for name, frame in frames.items():
            (folder / TABLES / name).write_text(_escape(frame).to_csv(index=False), encoding="utf-8")
        page, svgs = compose(report), {}
        for drawing in page.drawings:
            files = {kind: drawing.file(kind) for kind in FIGURE_TYPES}
            for kind, file in files.items():
                (folder / FIGURES / f"{drawing.name}.{kind}").write_bytes(file)
            svgs[drawing.name] = files["svg"]
        (folder / PAGE).write_text(render(page, svgs, list(frames)), encoding="utf-8")
        text = json.dumps(summarize(report), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / SUMMARY).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ReportError(f"out={str(folder)!r} cannot be written: {error.strerror}.") from error


def _prepare(folder: Path) -> None:
    """Create the folders, and remove an earlier report's files from them."""
    for name, kinds in ((FIGURES, FIGURE_TYPES), (TABLES, ("csv",))):
        (folder / name).mkdir(parents=True, exist_ok=True)
        if (folder / SUMMARY).is_file():
            for kind in kinds:
                for old in (folder / name).glob(f"*.{kind}"):
                    old.unlink()


def _escape(frame: pd.DataFrame) -> pd.DataFrame:
    texts = frame.select_dtypes(exclude=["number", "bool"])
    return frame.assign(**{name: column.map(escape_formula) for name, column in texts.items()})


def _frames(report: Report) -> dict[str, pd.DataFrame]:
    """Return the tables of all groups, by the names of their files."""
    frames = {name: _of_all_groups(report, frame) for name, frame in FRAMES.items()}
    shapes = report.shape_tables
    causes = _of_all_groups(report, lambda group_report: group_report.causes)
    return {
        **frames,
        **({"causes.csv": causes} if len(causes) else {}),
        **({"shapes.csv": pd.concat(shapes, ignore_index=True)} if shapes else {}),
    }


def _of_all_groups(report: Report, frame: Callable[[GroupReport], pd.DataFrame]) -> pd.DataFrame:
    """Return a table of each group as one, with a column for the number of the group."""
    return pd.concat([frame(one).assign(group=one.number) for one in report.group_reports], ignore_index=True)
