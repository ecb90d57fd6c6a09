"""A report put together: a group_report for each group of trainings, and what concerns all of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import pandas as pd

from lrstudy.formatting import pluralize
from lrstudy.report import tables
from lrstudy.report.answer import Answer, answer
from lrstudy.report.cells import Group, group
from lrstudy.report.comparison import Comparison
from lrstudy.report.incomplete import incomplete
from lrstudy.report.runs import LoadedRuns
from lrstudy.report.warnings import ReportWarning, find_warnings, not_mixed


@dataclass(frozen=True, eq=False)
class GroupReport:
    """A group of comparable trainings: what it says, and its tables."""

    number: int
    comparison: Comparison
    answer: Answer
    warnings: tuple[ReportWarning, ...]

    @property
    def group(self) -> Group:
        """The trainings."""
        return self.comparison.group

    @cached_property
    def cells(self) -> pd.DataFrame:
        """See `tables.cells_table`."""
        return tables.cells_table(self.comparison)

    @cached_property
    def optimizers(self) -> pd.DataFrame:
        """See `tables.optimizers_table`."""
        return tables.optimizers_table(self.comparison)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """See `tables.curves_table`."""
        return tables.curves_table(self.group)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """See `tables.runs_table`."""
        return tables.runs_table(self.group)

    @cached_property
    def places(self) -> pd.DataFrame:
        """See `tables.glance_table`."""
        return tables.glance_table(self.comparison)

    @cached_property
    def rates(self) -> tuple[float, float]:
        """The lowest and the highest learning rate."""
        return float(self.cells.lr.min()), float(self.cells.lr.max())

    @cached_property
    def untrained(self) -> float:
        """The mean validation loss of the untrained networks; not a number where none is known to be one's."""
        losses = [one.untrained_loss for cell in self.group.cells for one in cell.trainings]
        known = [loss for loss in losses if math.isfinite(loss)]
        return fmean(known) if known else math.nan


@dataclass(frozen=True, eq=False)
class Report:
    """All that the page, the tables and the summary are made of.

    `warnings` concern all group_reports; `left_out` says in sentences what could not be read; `shapes` are the group_reports that
    differ in the shape of the network alone, by what they have alike.
    """

    found: LoadedRuns
    group_reports: tuple[GroupReport, ...]
    warnings: tuple[ReportWarning, ...]
    left_out: tuple[str, ...]

    @property
    def statuses(self) -> Mapping[str, int]:
        """The number of trainings by what became of them: ranked ones are `finished`."""
        counts: Counter[str] = Counter()
        for group_report in self.group_reports:
            counts["finished"] += sum(cell.n for cell in group_report.group.cells)
            counts.update({reason: len(some) for reason, some in group_report.group.unranked.items()})
        unread = len(self.found.trainings) - sum(counts.values())
        return {**counts, **({"without a learning rate": unread} if unread else {})}

    @cached_property
    def shapes(self) -> tuple[tuple[GroupReport, ...], ...]:
        """Chapters of networks of several shapes that can be compared."""
        families: dict[object, list[GroupReport]] = {}
        for group_report in self.group_reports:
            if group_report.group.cells and "hidden" in group_report.group.settings:
                families.setdefault(group_report.group.family, []).append(group_report)
        return tuple(tuple(some) for some in families.values() if len(some) > 1)


def report(found: LoadedRuns) -> Report:
    """The report on what was found."""
    groups, unreadable = group(found)
    group_reports, left_out = [], [*found.left_out, *unreadable]
    for number, one in enumerate(groups, 1):
        comparison = Comparison(one)
        warnings, unknown = find_warnings(comparison, found.study)
        group_reports.append(GroupReport(number, comparison, answer(comparison), tuple(warnings)))
        left_out += unknown
    unjudged = sum(not one.verdict for some in groups for cell in some.cells for one in cell.trainings)
    if unjudged:
        left_out.append(
            f"{pluralize(unjudged, 'training')} came without a verdict, as those of other programs do: the "
            "report says of them what it sees beside the others, and else “not judged”."
        )
    if found.foreign:
        left_out.append(f"{found.foreign} runs of other programs, which are no trainings, are left out.")
    of_all = (*incomplete(groups, found.study), *not_mixed(groups))
    return Report(found, tuple(group_reports), of_all, tuple(dict.fromkeys(left_out)))
