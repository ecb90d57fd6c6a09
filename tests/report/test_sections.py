"""A section of the page is a row of a table, and so is a rule for warnings."""

import os
from collections.abc import Iterator, Sequence

import pytest

from known_runs import falling, log_training
from lrstudy.report import page, warnings
from lrstudy.report.comparison import Comparison
from lrstudy.report.drawing import Drawing
from lrstudy.report.group_report import GroupReport, Report, build_report
from lrstudy.report.load_runs import load_runs
from lrstudy.report.runs import Run
from lrstudy.report.sections import GROUP_SECTIONS
from lrstudy.report.sections.section import Block, Items, KeyValues, NamedTable, Note, Section, Table
from lrstudy.report.warnings.warning import ReportWarning


@pytest.fixture
def content(tracking_uri: str) -> Report:
    experiment = os.environ["MLFLOW_EXPERIMENT_ID"]
    for lr in ("0.1", "0.01"):
        log_training(experiment, falling(float(lr)), lr=lr)
    return build_report(load_runs(experiment=experiment))


def html(content: Report) -> str:
    composed = page.compose(content)
    return page.render(
        composed, {drawing.name: b'<svg viewBox="0 0 1 1"></svg>' for drawing in composed.drawings}, ["cells.csv"]
    )


def test_a_new_section_is_a_row_with_blocks_of_any_kind(content: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    def blocks(group_report: GroupReport, drawings: Sequence[Drawing]) -> Iterator[Block]:
        assert not drawings
        yield Note(f"{len(group_report.cells)} cells & no more", quiet=True)
        yield Items(("first sentence", "second sentence"))
        yield NamedTable("Speeds", "Seconds per epoch.", Table(("optimizer", "lr", "s"), (("adam", "0.1", "3.25"),)))
        yield KeyValues((("fastest", "adam"),))

    monkeypatch.setattr(page, "GROUP_SECTIONS", (*GROUP_SECTIONS, Section("Speed", blocks)))
    text = html(content)
    assert "<h3>Speed</h3>" in text
    assert '<p class="quiet">2 cells &amp; no more</p>' in text
    assert "<li>first sentence</li><li>second sentence</li>" in text
    assert '<th scope="row">0.1</th><td>3.25</td>' in text
    assert '<tr><th scope="row">fastest</th><td>adam</td></tr>' in text


def test_a_section_without_blocks_has_no_heading(content: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "GROUP_SECTIONS", (Section("Nothing here", lambda *_: iter(())),))
    assert "Nothing here" not in html(content)


def test_a_new_rule_for_warnings_is_a_row(content: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    def rule(comparison: Comparison, study: Run | None) -> Iterator[ReportWarning]:
        yield ReportWarning("many_cells", f"{len(comparison.ranking)} cells, study {study}.")

    monkeypatch.setattr(warnings, "RULES", (rule,))
    found = warnings.find_warnings(content.group_reports[0].comparison, None)
    assert found == [ReportWarning("many_cells", "2 cells, study None.")]
