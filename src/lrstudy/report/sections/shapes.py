"""Network shapes side by side: groups that differ in the neurons of the dense layers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrstudy.formatting import format_loss, format_lr, format_percent, format_with_deviation, join_and
from lrstudy.report import tables
from lrstudy.report.cells import Spread, format_spread
from lrstudy.report.curve_measures import generalisation_gap
from lrstudy.report.drawing import Drawing, file_name
from lrstudy.report.figures.shapes import network_shapes
from lrstudy.report.group_report import GroupReport, Report
from lrstudy.report.sections.section import Block, Figures, Items, Note, Table

EXPLANATION = (
    "The same cells with other numbers of neurons. The gap is the validation less the training loss at the last epoch: "
    "the smaller it is, the less the network has memorised."
)
CAPTION = "Crosses at the top mark diverged or collapsed cells."


def draw(report: Report) -> Iterator[Drawing]:
    """Yield a figure per family of shapes."""
    return map(draw_family, report.shape_families)


def draw_family(family: Sequence[GroupReport]) -> Drawing:
    """Return the figure of a family of shapes."""
    neurons = join_and([group_report.group.settings["hidden"] for group_report in family])
    description = (
        f"For networks with {neurons} neurons: best validation loss, and the gap between validation and training loss "
        "at the end, against the learning rate, as in the table."
    )
    figure = network_shapes(tables.shapes_table([group_report.comparison for group_report in family]))
    return Drawing(file_name(family[0].number, "shapes"), description, figure)


def blocks(report: Report, drawings: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the best cell of each shape, and the figure, per family."""
    for family, drawing in zip(report.shape_families, drawings, strict=True):
        yield Note(EXPLANATION)
        yield Items(tuple(shape_sentences(family)))
        yield Figures(((drawing, shapes_table(family)),), CAPTION)


def shape_sentences(family: Sequence[GroupReport]) -> list[str]:
    """Return a sentence on the best cell of each shape, the best shape first."""
    bests = [(group_report, group_report.comparison.best) for group_report in family]
    known = sorted(((group_report, best) for group_report, best in bests if best), key=lambda pair: pair[1].loss.mean)
    return [
        f"{group_report.group.settings['hidden']} neurons: best with {best.name}, "
        f"validation loss {format_spread(best.loss, format_loss)}, gap at the end "
        f"{format_spread(Spread.of(map(generalisation_gap, best.trainings)), format_loss)} (n = {best.n})."
        for group_report, best in known
    ]


def shapes_table(family: Sequence[GroupReport]) -> Table:
    """Return the cells of several shapes, the shapes of one cell together."""
    frame = tables.shapes_table([group_report.comparison for group_report in family])
    rows = tuple(
        (
            row.optimizer,
            format_lr(row.lr),
            row.hidden,
            f"{row.n}",
            format_with_deviation(row.best_val_loss, row.best_val_loss_sd, format_loss),
            format_percent(row.best_val_accuracy),
            format_loss(row.final_train_loss),
            format_loss(row.final_val_loss),
            format_with_deviation(row.generalisation_gap, row.generalisation_gap_sd, format_loss),
            row.verdict,
        )
        for row in frame.itertuples()
    )
    headers = ("optimizer", "learning rate", "neurons", "seeds", "best val. loss", "val. accuracy", "final train. loss")
    return Table((*headers, "final val. loss", "gap", "verdict"), rows, labels=3)
