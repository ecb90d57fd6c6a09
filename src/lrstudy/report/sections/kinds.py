"""The four kinds of loss curve, from the group's own trainings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrstudy.report.curve_kinds import find_examples
from lrstudy.report.drawing import Drawing, file_name
from lrstudy.report.figures.kinds import ShownCurve, four_kinds
from lrstudy.report.group_report import GroupReport
from lrstudy.report.sections.section import Block, Figures, Items, Table

CAPTION = (
    "Validation loss by kind of learning rate. Triangles on an edge mark where a curve leaves the range; the dotted "
    "line is the loss of guessing."
)


def draw(group_report: GroupReport) -> Iterator[Drawing]:
    """Yield the panel, if there are curves."""
    examples = find_examples(group_report.comparison)
    shown = [ShownCurve(one.kind, one.cell.optimizer, one.cell.lr) for one in examples if one.cell]
    if shown:
        figure = four_kinds(group_report.curves, shown, group_report.start_loss, group_report.subject)
        description = " ".join(one.sentence for one in examples)
        yield Drawing(file_name(group_report.number, "kinds_of_curve"), description, figure)


def blocks(group_report: GroupReport, drawings: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the panel, and a sentence per kind."""
    examples = find_examples(group_report.comparison)
    rows = tuple((one.kind, one.cell.name if one.cell else "none", one.sentence) for one in examples)
    if drawings:
        table = Table(("kind", "training", "what is seen"), rows, labels=1)
        yield Figures(tuple((drawing, table) for drawing in drawings), CAPTION)
        yield Items(tuple(one.sentence for one in examples))
