"""The evidence for a group's answer: how the other cells compare with the best one, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrstudy.report.drawing import Drawing
from lrstudy.report.group_report import GroupReport
from lrstudy.report.sections.section import Block, Items


def blocks(group_report: GroupReport, _: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the sentences."""
    if group_report.answer.details:
        yield Items(group_report.answer.details)
