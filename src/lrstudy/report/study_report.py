"""The report that a study puts on its own run as it ends: the page, its figures, and the table of its cells.

The libraries of the report are imported only then, which takes a second.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lrstudy.answer.state import AnswerState
from lrstudy.cli.interruption import report_interruption
from lrstudy.errors import ReportError
from lrstudy.formatting import MAX_TAG_LENGTH
from lrstudy.server_names import NEXT_STEP, REPORT_SECONDS

if TYPE_CHECKING:
    from lrstudy.report.group_report import Report


def log_report(study: str, earlier: str | None) -> None:
    """Log the report on a study to the study's run, and print where it is and the next command.

    A study whose report cannot be made is complete without it: the reason is printed.

    Args:
        study: the run of a study that has ended.
        earlier: the run of a study with the same trainings that has their report; it is not logged again.
    """
    again = f"`python analysis/report.py --study {study} --log true`"
    with report_interruption(lambda: f"the study is complete; {again} makes its report."):
        try:
            next_step = _next_step_of(earlier) if earlier else _log(study)
        except (ReportError, OSError) as error:
            print(f"warning: the report on the study could not be made: {error} {again} makes it.", file=sys.stderr)
            return
    run = earlier or study
    print(f"report: artifact report/index.html of run {run}; python analysis/report.py writes it to a folder")
    if next_step:
        print(next_step)


def _log(study: str) -> str:
    """Log the report on a study to its run; return the lines with the next command."""
    began = time.monotonic()
    report = _build(study)
    _attach(study, report)
    next_step = _next_step(report)
    _log_to_run(study, time.monotonic() - began, next_step)
    return next_step


def _next_step(report: Report) -> str:
    first = report.group_reports[0] if report.group_reports else None
    if first is None or not first.answer.command:
        return ""
    advice = [] if first.state is AnswerState.RECOMMENDED else first.answer.sentences[:1]
    return "\n".join([*advice, first.answer.command_purpose, first.answer.command])


def _log_to_run(study: str, seconds: float, next_step: str) -> None:
    from mlflow import MlflowClient

    from lrstudy.report.server import server_errors

    with server_errors("of the study"):
        client = MlflowClient()
        if len(next_step) <= MAX_TAG_LENGTH:
            client.set_tag(study, NEXT_STEP, next_step)
        client.log_metric(study, REPORT_SECONDS, seconds, step=0)


def _next_step_of(study: str) -> str:
    from mlflow import MlflowClient

    from lrstudy.report.server import server_errors

    with server_errors("of the study"):
        return str(MlflowClient().get_run(study).data.tags.get(NEXT_STEP, ""))


def _build(study: str) -> Report:
    from lrstudy.compat.interpreter import gc_paused

    with gc_paused():
        from lrstudy.report.group_report import build_report
        from lrstudy.report.load_runs import load_runs
    return build_report(load_runs(study=study))


def _attach(study: str, report: Report) -> None:
    from lrstudy.compat.interpreter import gc_paused

    with gc_paused():
        from lrstudy.report.sections.numbers import cell_columns
        from lrstudy.report.server import attach_report
        from lrstudy.report.write import write_report
    with tempfile.TemporaryDirectory(prefix="lrstudy-") as folder:
        write_report(report, Path(folder))
        attach_report(study, Path(folder), cell_columns(report))
