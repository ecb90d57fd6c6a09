"""A report put together: a chapter for each group of trainings, and what concerns all of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import pandas as pd

import tables
from answer import Answer, answer
from caveats import Caveat, caveats, not_mixed
from cells import Group, group
from comparison import Comparison
from plan import incomplete
from runs import Found
from words import counted


@dataclass(frozen=True, eq=False)
class Chapter:
    """A group of comparable trainings: what it says, and its tables."""

    number: int
    comparison: Comparison
    answer: Answer
    caveats: tuple[Caveat, ...]

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

    `caveats` concern all chapters; `left_out` says in sentences what could not be read; `shapes` are the chapters that
    differ in the shape of the network alone, by what they have alike.
    """

    found: Found
    chapters: tuple[Chapter, ...]
    caveats: tuple[Caveat, ...]
    left_out: tuple[str, ...]

    @property
    def statuses(self) -> Mapping[str, int]:
        """The number of trainings by what became of them: ranked ones are `finished`."""
        counts: Counter[str] = Counter()
        for chapter in self.chapters:
            counts["finished"] += sum(cell.n for cell in chapter.group.cells)
            counts.update({reason: len(some) for reason, some in chapter.group.unranked.items()})
        unread = len(self.found.trainings) - sum(counts.values())
        return {**counts, **({"without a learning rate": unread} if unread else {})}

    @cached_property
    def shapes(self) -> tuple[tuple[Chapter, ...], ...]:
        """Chapters of networks of several shapes that can be compared."""
        families: dict[object, list[Chapter]] = {}
        for chapter in self.chapters:
            if chapter.group.cells and "hidden" in chapter.group.settings:
                families.setdefault(chapter.group.family, []).append(chapter)
        return tuple(tuple(some) for some in families.values() if len(some) > 1)


def report(found: Found) -> Report:
    """The report on what was found."""
    groups, unreadable = group(found)
    chapters, left_out = [], [*found.left_out, *unreadable]
    for number, one in enumerate(groups, 1):
        comparison = Comparison(one)
        warnings, unknown = caveats(comparison, found.study)
        chapters.append(Chapter(number, comparison, answer(comparison), tuple(warnings)))
        left_out += unknown
    unjudged = sum(not one.verdict for some in groups for cell in some.cells for one in cell.trainings)
    if unjudged:
        left_out.append(
            f"{counted(unjudged, 'training')} came without a verdict, as those of other programs do: the "
            "report says of them what it sees beside the others, and else “not judged”."
        )
    if found.foreign:
        left_out.append(f"{found.foreign} runs of other programs, which are no trainings, are left out.")
    of_all = (*incomplete(groups, found.study), *not_mixed(groups))
    return Report(found, tuple(chapters), of_all, tuple(dict.fromkeys(left_out)))
