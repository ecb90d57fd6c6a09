"""What the programs of the analysis have alike: which runs are asked for, and how they end."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lrstudy.errors import ReportError
from lrstudy.report.drawings import KINDS, Drawing
from lrstudy.report.group_report import Report, report
from lrstudy.report.runs import attach, read
from lrstudy.report.write import write_report


def parser(what: str | None) -> argparse.ArgumentParser:
    """A parser for the study or the experiment to read."""
    made = argparse.ArgumentParser(
        description=what, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument("--experiment", help="all trainings of this experiment, by its name or id")
    made.add_argument("--study", help="the trainings of this study, by its run's id (default: the latest study)")
    return made


def draw_one(
    what: str | None,
    name: str,
    arguments: Sequence[str],
    choose: Callable[[Report, str | None], Iterable[Drawing]],
    *,
    of_optimizer: bool = False,
) -> None:
    """Draws the first of the figures that `choose` gives, to the file that the command line names; prints its path.

    Args:
        what: what the program does.
        name: of the file, if the command line names none.
        arguments: the command line.
        choose: the figures of a report, given the optimizer that is asked for.
        of_optimizer: whether an optimizer can be asked for.

    Raises:
        ReportError: there is no such figure, or it cannot be written.
    """
    asked = parser(what)
    asked.add_argument(
        "--out", type=Path, default=Path(f"{name}.svg"), help=f"an SVG, PNG or PDF file (default: {name}.svg)"
    )
    if of_optimizer:
        asked.add_argument("--optimizer", help="whose (default: that of the best training)")
    options = asked.parse_args(arguments)
    kind = options.out.suffix.removeprefix(".")
    if kind not in KINDS:
        raise ReportError(f"--out {options.out}: a figure is an .svg, .png or .pdf file.")
    drawing = next(iter(choose(report(read(options.experiment, options.study)), vars(options).get("optimizer"))), None)
    if drawing is None:
        raise ReportError("there is nothing to draw: no training has finished with what the figure needs.")
    try:
        options.out.write_bytes(drawing.file(kind))
    except OSError as error:
        raise ReportError(f"--out {options.out}: it cannot be written: {error.strerror}.") from error
    print(options.out)


def build_report(what: str | None, arguments: list[str]) -> None:
    """Writes the report that the command line asks for, and prints its answers."""
    asked = parser(what)
    asked.add_argument("--out", type=Path, default=Path("report"), help="the folder to write to (default: report)")
    asked.add_argument("--log", action="store_true", help="attach the report to the study's run")
    options = asked.parse_args(arguments)
    if options.out.exists() and not (options.out.is_dir() and os.access(options.out, os.W_OK)):
        raise ReportError(f"--out {options.out}: it cannot be written to: it is no folder, or is read-only.")
    found = read(options.experiment, options.study)
    if options.log and found.study is None:
        raise ReportError("--log: there is no study's run to attach the report to; name one with --study.")
    made = report(found)
    write_report(made, options.out)
    for group_report in made.group_reports[:3]:
        print(f"{group_report.answer.headline.removesuffix('.')}.", *group_report.answer.sentences[:2])
    print(f"report: {options.out / 'index.html'}")
    if options.log and found.study:
        attach(found.study.run_id, options.out)
