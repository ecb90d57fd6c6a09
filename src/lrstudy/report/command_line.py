"""The commands of `analysis/`: the report, and each figure by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from lrstudy.answer.state import AnswerState
from lrstudy.cli.command_line import parse
from lrstudy.cli.interruption import report_interruption
from lrstudy.errors import ReportError
from lrstudy.formatting import join_or
from lrstudy.report.drawing import FILE_TYPES, Drawing
from lrstudy.report.group_report import Report, build_report
from lrstudy.report.load_runs import load_runs
from lrstudy.report.sections import curves, heat_map, shapes, sweep
from lrstudy.report.sections.numbers import cell_columns
from lrstudy.report.server import attach_report
from lrstudy.report.write import PAGE, write_report
from lrstudy.settings.report import CurvesSettings, FigureSettings, ReportSettings

MAX_PRINTED = 3


def report(arguments: list[str]) -> None:
    """Write the report that the command line asks for, and print its recommendations.

    Raises:
        LearningRateStudyError: a setting is invalid, the runs cannot be read, or the report cannot be written.
    """
    settings = parse(ReportSettings, arguments)
    out = settings.out
    if out.exists() and not (out.is_dir() and os.access(out, os.W_OK)):
        raise ReportError(f"out={str(out)!r} cannot be written: it is not a folder, or it is read-only.")
    loaded = load_runs(settings.experiment, settings.study)
    if settings.log and loaded.study is None:
        raise ReportError("log=true needs a study's run to attach the report to; name one with --study.")
    content = build_report(loaded)
    with report_interruption(lambda: f"the report in {out} is incomplete; the same command writes it again."):
        write_report(content, out)
    for group_report in content.group_reports[:MAX_PRINTED]:
        answer = group_report.answer
        print(f"{answer.headline}.", *answer.sentences, sep="\n")
        if group_report.state is not AnswerState.RECOMMENDED and answer.command:
            print(answer.command_purpose, answer.command)
    print(f"report: {out / PAGE}")
    if settings.log and loaded.study:
        attach_report(loaded.study.run_id, out, cell_columns(content))


def figure_of_curves(arguments: list[str]) -> None:
    """Draw one optimizer's loss curves of the largest group."""
    settings = parse(CurvesSettings, arguments)
    _draw_first("curves", settings, lambda content: _curves(content, settings.optimizer))


def figure_of_sweep(arguments: list[str]) -> None:
    """Draw the learning-rate sweep of the largest group."""
    _draw_first("basin", parse(FigureSettings, arguments), lambda content: sweep.draw(content.group_reports[0]))


def figure_of_heat_map(arguments: list[str]) -> None:
    """Draw the heat map of the largest group."""
    _draw_first("grid", parse(FigureSettings, arguments), lambda content: heat_map.draw(content.group_reports[0]))


def figure_of_shapes(arguments: list[str]) -> None:
    """Draw the comparison of groups that differ in the neurons of their dense layers alone."""
    _draw_first("shapes", parse(FigureSettings, arguments), shapes.draw)


def _curves(content: Report, optimizer: str | None) -> Iterable[Drawing]:
    group_report = content.group_reports[0]
    known, best = group_report.group.optimizers, group_report.comparison.best
    if optimizer and optimizer not in known:
        raise ReportError(f"optimizer={optimizer!r} has no trainings; it must be {join_or(known)}.")
    return curves.draw_optimizers(group_report, [optimizer] if optimizer else [best.optimizer] if best else known[:1])


def _draw_first(name: str, settings: FigureSettings, draw: Callable[[Report], Iterable[Drawing]]) -> None:
    """Write the first figure of `draw` to the file that the settings name, and print its path."""
    out = settings.out or Path(f"{name}.svg")
    kind = out.suffix.removeprefix(".")
    if kind not in FILE_TYPES:
        raise ReportError(
            f"out={str(out)!r} is not a figure's file; it must end in {join_or([*map('.{}'.format, FILE_TYPES)])}."
        )
    content = build_report(load_runs(settings.experiment, settings.study))
    drawing = next(iter(draw(content)), None)
    if drawing is None:
        raise ReportError("there is nothing to draw: no training has finished with the metrics that the figure needs.")
    try:
        out.write_bytes(drawing.file(kind))
    except OSError as error:
        raise ReportError(f"out={str(out)!r} cannot be written: {error.strerror}.") from error
    print(out)
