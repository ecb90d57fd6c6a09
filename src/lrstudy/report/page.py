"""The report's page: one HTML file that opens anywhere, with its figures inside and a table behind each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lrstudy.formatting import NOTHING, format_loss, format_percent, format_with_deviation, join_and
from lrstudy.report.drawing import Drawing
from lrstudy.report.figures.style import NO_VERDICT, VERDICT_COLOURS
from lrstudy.report.group_report import GroupReport, Report
from lrstudy.report.inline_svg import inline_svg
from lrstudy.report.sections import GROUP_SECTIONS, LEADING_SECTIONS, OPENING_SECTIONS, REPORT_SECTIONS
from lrstudy.report.sections.section import Block, Figures, Section, Subject
from lrstudy.report.warnings import differing_settings

FOLDER = Path(__file__).parent
# The page has this many groups, the largest ones; `summary.json` has all.
MAX_GROUPS = 12
# Groups after these have tables, but no figures.
MAX_DRAWN = 6
# The settings that a reader looks for first.
FIRST_SETTINGS = ("data", "model", "hidden", "epochs", "batch_size")


@dataclass(frozen=True)
class PageSection:
    """A heading with its content; one that is not `wide` stands beside others where there is room."""

    heading: str
    blocks: tuple[Block, ...]
    wide: bool


@dataclass(frozen=True)
class Page:
    """All sections of a report, those of each group by its number, and all drawings.

    `opening` are those before all groups, `leading` those beside a group's answer.
    """

    report: Report
    opening: tuple[PageSection, ...]
    leading: Mapping[int, tuple[PageSection, ...]]
    groups: Mapping[int, tuple[PageSection, ...]]
    closing: tuple[PageSection, ...]
    drawings: tuple[Drawing, ...]


def compose(report: Report) -> Page:
    """Return the sections of a report with their drawings."""
    drawings: list[Drawing] = []
    shown = report.group_reports[: max(MAX_GROUPS, MAX_DRAWN)]
    opening = _fill(OPENING_SECTIONS, report, drawings, True)
    leading, groups = (
        {one.number: _fill(sections, one, drawings, one.number <= MAX_DRAWN) for one in shown}
        for sections in (LEADING_SECTIONS, GROUP_SECTIONS)
    )
    closing = _fill(REPORT_SECTIONS, report, drawings, True)
    return Page(report, opening, leading, groups, closing, tuple(drawings))


def _fill(
    sections: Sequence[Section[Subject]], subject: Subject, drawings: list[Drawing], draws: bool
) -> tuple[PageSection, ...]:
    """Return the sections that have blocks for a subject, and add their drawings to `drawings`."""
    filled = []
    for section in sections:
        own = list(section.draw(subject)) if draws else []
        drawings += own
        if blocks := tuple(section.blocks(subject, own)):
            filled.append(PageSection(section.heading, blocks, section.wide))
    return tuple(filled)


def render(page: Page, svgs: Mapping[str, bytes], files: Sequence[str]) -> str:
    """Return the page as HTML, given the figures as SVG files by their names, and the names of the tables' files."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    # Matplotlib and `inline_svg` have escaped all names in the figures.
    svgs_of_page = {drawing.name: inline_svg(drawing, svgs[drawing.name]) for drawing in page.drawings}
    environment.globals["images"] = {name: Markup(svg) for name, svg in svgs_of_page.items()}  # noqa: S704
    environment.globals["script"] = Markup((FOLDER / "page.js").read_text(encoding="utf-8"))  # noqa: S704
    environment.globals["style"] = Markup((FOLDER / "page.css").read_text(encoding="utf-8"))  # noqa: S704
    environment.globals["curves_of"] = _curves_of(page)
    environment.globals["colours"] = lambda verdict: VERDICT_COLOURS.get(verdict, NO_VERDICT)
    environment.filters |= {"field_loss": _field_loss, "field_accuracy": _field_accuracy}
    report = page.report
    return environment.get_template("page.html.j2").render(
        report=report,
        title=report.loaded.study.name if report.loaded.study else f"experiment {report.loaded.experiment}",
        counts=join_and([f"{number} {status}" for status, number in report.statuses.items()]),
        group_reports=report.group_reports[:MAX_GROUPS],
        opening=page.opening,
        leading=page.leading,
        groups=page.groups,
        closing=page.closing,
        contents=_contents(report.group_reports[:MAX_GROUPS]),
        settings=_settings,
        files=files,
    )


def _curves_of(page: Page) -> dict[tuple[int, str], str]:
    """Return the names of the figures with the curves of an optimizer, by the numbers of groups and the optimizers."""
    return {
        (number, drawing.optimizer): drawing.name
        for number, sections in page.groups.items()
        for section in sections
        for block in section.blocks
        if isinstance(block, Figures)
        for drawing, _ in block.drawings
        if drawing.optimizer
    }


def _field_loss(field: Any) -> str:
    if field.verdict == "diverged":
        return NOTHING
    return format_with_deviation(field.best_val_loss, field.best_val_loss_sd, format_loss)


def _field_accuracy(field: Any) -> str:
    if field.verdict == "diverged":
        return ""
    return format_with_deviation(field.best_val_accuracy, field.best_val_accuracy_sd, format_percent)


def _settings(group_report: GroupReport) -> list[tuple[str, str]]:
    """Return a group's settings, the most important ones first."""
    order = {name: place for place, name in enumerate(FIRST_SETTINGS)}
    return sorted(group_report.group.settings.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))


def _contents(group_reports: Sequence[GroupReport]) -> list[tuple[int, str, str]]:
    """Return each group's number, distinguishing settings and headline, if there are several groups."""
    if len(group_reports) < 2:
        return []
    names = differing_settings([group_report.group for group_report in group_reports])
    return [
        (
            group_report.number,
            join_and([f"{name} {group_report.group.settings.get(name, NOTHING)}" for name in names]),
            group_report.answer.headline,
        )
        for group_report in group_reports
    ]
