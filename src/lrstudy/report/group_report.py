"""The report's content: a group report per group of comparable trainings, and warnings on all groups."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np
import pandas as pd

from lrstudy.answer.defaults import CONFIDENCE, DELTA
from lrstudy.answer.state import AnswerState
from lrstudy.formatting import pluralize
from lrstudy.report import tables
from lrstudy.report.answer import AnswerText, answer_state, make_answer
from lrstudy.report.cell_causes import causes_table
from lrstudy.report.cells import Group
from lrstudy.report.class_counts import read_class_counts
from lrstudy.report.comparison import Comparison
from lrstudy.report.data_warnings import data_warnings
from lrstudy.report.figures.loss_range import LossRange, StartLoss, loss_range
from lrstudy.report.grouping import group_runs
from lrstudy.report.heat_map_table import heat_map_table
from lrstudy.report.image_losses import read_val_losses
from lrstudy.report.learned import Learned, read_learned
from lrstudy.report.run_settings import describe_subject
from lrstudy.report.run_settings import number as read_number
from lrstudy.report.runs import LoadedRuns, Run
from lrstudy.report.shape_comparison import ShapeComparison
from lrstudy.report.warnings import ReportWarning, find_warnings, find_warnings_of_all


@dataclass(frozen=True, eq=False)
class GroupReport:
    """A group of comparable trainings with its recommendation, warnings and tables."""

    number: int
    comparison: Comparison
    state: AnswerState
    answer: AnswerText
    warnings: tuple[ReportWarning, ...]

    @property
    def group(self) -> Group:
        """The trainings."""
        return self.comparison.group

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The table of `tables.cells_table`."""
        return tables.cells_table(self.comparison, self.state)

    @cached_property
    def optimizers(self) -> pd.DataFrame:
        """The table of `tables.optimizers_table`."""
        return tables.optimizers_table(self.comparison)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The table of `tables.curves_table`."""
        return tables.curves_table(self.group)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The table of `tables.runs_table`."""
        return tables.runs_table(self.group)

    @cached_property
    def causes(self) -> pd.DataFrame:
        """The table of `cell_causes.causes_table`."""
        return causes_table(self.comparison)

    @cached_property
    def heat_map(self) -> pd.DataFrame:
        """The table of the heat map."""
        return heat_map_table(self.comparison, self.state.best_label)

    @cached_property
    def lr_range(self) -> tuple[float, float]:
        """The lowest and the highest learning rate."""
        return float(self.cells.lr.min()), float(self.cells.lr.max())

    @cached_property
    def start_loss(self) -> StartLoss:
        """The losses before learning; without the class counts, the untrained networks stand for a guess."""
        losses = [training.untrained_loss for cell in self.group.cells for training in cell.trainings]
        known = [loss for loss in losses if math.isfinite(loss)]
        untrained = fmean(known) if known else math.nan
        chance = self.comparison.chance_level
        return StartLoss(chance.loss if chance else untrained, untrained)

    @cached_property
    def shown_losses(self) -> LossRange:
        """The range of losses that figures of curves show."""
        columns = self.curves[["train_loss", "val_loss"]].to_numpy(float)
        bests = self.cells.best_val_loss[np.isfinite(self.cells.best_val_loss)]
        return loss_range(columns.ravel(), float(bests.min()) if len(bests) else math.nan, self.start_loss)

    @cached_property
    def learned(self) -> Learned | None:
        """The layers and the mistakes of the best network; None if no run has the artifacts."""
        return read_learned(self.comparison.best)

    @property
    def subject(self) -> str:
        """The data, the network and the length of the trainings, for the titles of figures."""
        return describe_subject(self.group.settings)


@dataclass(frozen=True, eq=False)
class Report:
    """The content of the page, the tables and the summary.

    `warnings` concern all groups; `left_out` holds sentences on everything that could not be read or used.
    """

    loaded: LoadedRuns
    group_reports: tuple[GroupReport, ...]
    warnings: tuple[ReportWarning, ...]
    left_out: tuple[str, ...]

    @property
    def statuses(self) -> Mapping[str, int]:
        """The number of trainings by status; ranked ones are `finished`."""
        counts: Counter[str] = Counter()
        for group_report in self.group_reports:
            counts["finished"] += sum(cell.n for cell in group_report.group.cells)
            counts.update({reason: len(runs) for reason, runs in group_report.group.unranked.items()})
        unread = len(self.loaded.trainings) - sum(counts.values())
        return {**counts, **({"without a learning rate": unread} if unread else {})}

    @cached_property
    def shape_families(self) -> tuple[tuple[GroupReport, ...], ...]:
        """The group reports that differ in the network's shape alone, a tuple per family of two or more."""
        families: dict[object, list[GroupReport]] = {}
        for group_report in self.group_reports:
            if group_report.group.cells and "hidden" in group_report.group.settings:
                families.setdefault(group_report.group.family, []).append(group_report)
        return tuple(tuple(family) for family in families.values() if len(family) > 1)

    @cached_property
    def shape_tables(self) -> tuple[pd.DataFrame, ...]:
        """The cells of all shapes, a frame for each of `shape_families`."""
        return tuple(tables.shapes_table([one.comparison for one in family]) for family in self.shape_families)

    @cached_property
    def shape_comparisons(self) -> tuple[ShapeComparison, ...]:
        """The comparison of the shapes in each of `shape_families`."""
        return tuple(ShapeComparison.of([one.comparison for one in family]) for family in self.shape_families)


def build_report(loaded: LoadedRuns) -> Report:
    """Return the report on the runs that were loaded."""
    groups, remarks = group_runs(loaded)
    group_reports, left_out = [], [*loaded.left_out, *remarks]
    for number, group in enumerate(groups, 1):
        class_counts, unknown = read_class_counts(group)
        comparison = Comparison(group, class_counts, *_requirements(loaded.study), read_val_losses)
        state = answer_state(comparison, loaded.study)
        answer = make_answer(comparison, state, loaded.study)
        warnings = [*find_warnings(comparison, loaded.study), *data_warnings(group)]
        group_reports.append(GroupReport(number, comparison, state, answer, tuple(warnings)))
        left_out += unknown
    left_out += _unusual_runs(groups, loaded.foreign)
    of_all = find_warnings_of_all(groups, loaded.study)
    return Report(loaded, tuple(group_reports), tuple(of_all), tuple(dict.fromkeys(left_out)))


def _requirements(study: Run | None) -> tuple[float, float]:
    """Return the difference that does not matter and the confidence of the answer, as the study was given them."""
    params = study.params if study else {}
    delta, confidence = read_number(params.get("delta", "")), read_number(params.get("confidence", ""))
    return DELTA if math.isnan(delta) else delta, CONFIDENCE if math.isnan(confidence) else confidence


def _unusual_runs(groups: Sequence[Group], foreign: int) -> list[str]:
    """Return sentences on trainings without a verdict and on runs that are not trainings."""
    trainings = [training for group in groups for cell in group.cells for training in cell.trainings]
    unjudged = sum(not training.verdict for training in trainings)
    remarks = []
    if unjudged:
        have, their = ("has", "its cell is") if unjudged == 1 else ("have", "their cells are")
        remarks.append(
            f"{pluralize(unjudged, 'training')} {have} no verdict, as in other programs' runs: {their} shown as “not "
            "judged”, or with the verdict that the comparison with other cells gives."
        )
    if foreign:
        remarks.append(f"{foreign} runs of other programs are not trainings and are left out.")
    return remarks
