"""Builds the comparison of a study's trainings: `python analysis/report.py [--study RUN] [--out FOLDER]`.

Reads the tracking server that `MLFLOW_TRACKING_URI` names, or MLflow's default, and writes `index.html`, the figures as
SVG and PNG files, the tables as CSV files, and `summary.json`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd

import tables
from chapters import Report, report
from command_line import end_well, parser
from drawings import draw
from errors import ReportError
from page import render
from runs import attach, read
from summary import summary

FIGURES, TABLES, SUMMARY = "figures", "tables", "summary.json"


def main(arguments: list[str]) -> None:
    """Writes the report that the command line asks for, and prints its answers."""
    asked = parser(__doc__)
    asked.add_argument("--out", type=Path, default=Path("report"), help="the folder to write to (default: report)")
    asked.add_argument("--log", action="store_true", help="attach the report to the study's run")
    options = asked.parse_args(arguments)
    if options.out.exists() and not (options.out.is_dir() and os.access(options.out, os.W_OK)):
        raise ReportError(f"--out {options.out}: it cannot be written to: it is no folder, or is read-only.")
    found = read(options.experiment, options.study)
    if options.log and found.study is None:
        raise ReportError("--log: there is no study's run to attach the report to; name one with --study.")
    made = report(found)
    write(made, options.out)
    for chapter in made.chapters[:3]:
        print(f"{chapter.answer.headline.removesuffix('.')}.", *chapter.answer.sentences[:2])
    print(f"report: {options.out / 'index.html'}")
    if options.log and found.study:
        attach(found.study.run_id, options.out)


def write(made: Report, folder: Path) -> None:
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
        "cells.csv": [(chapter.number, chapter.cells) for chapter in made.chapters],
        "optimizers.csv": [(chapter.number, chapter.optimizers) for chapter in made.chapters],
        "curves.csv": [(chapter.number, chapter.curves) for chapter in made.chapters],
        "runs.csv": [(chapter.number, chapter.runs) for chapter in made.chapters],
    }
    frames = {
        name: pd.concat([frame.assign(group=number) for number, frame in some], ignore_index=True)
        for name, some in parts.items()
    }
    shapes = [tables.shapes_table([chapter.comparison for chapter in family]) for family in made.shapes]
    return frames | ({"shapes.csv": pd.concat(shapes, ignore_index=True)} if shapes else {})


if __name__ == "__main__":
    end_well(main)
