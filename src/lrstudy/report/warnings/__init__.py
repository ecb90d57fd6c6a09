"""Warnings that a reader should know before following a recommendation: a table of rules, the gravest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lrstudy.report.cells import Group
from lrstudy.report.comparison import Comparison
from lrstudy.report.runs import Run
from lrstudy.report.warnings.completeness import incomplete_study, stopped_early, unfinished_runs
from lrstudy.report.warnings.groups import differing_settings, several_groups
from lrstudy.report.warnings.learning_rates import best_by_chance, not_bracketed, nothing_to_recommend
from lrstudy.report.warnings.processors import several_processors
from lrstudy.report.warnings.scores import accuracy_disagrees, small_classes, small_splits, splits_disagree
from lrstudy.report.warnings.seeds import few_seeds
from lrstudy.report.warnings.warning import ReportWarning, Rule

__all__ = ["ReportWarning", "differing_settings", "find_warnings", "find_warnings_of_all"]

RULES: tuple[Rule, ...] = (
    nothing_to_recommend,
    not_bracketed,
    few_seeds,
    splits_disagree,
    accuracy_disagrees,
    best_by_chance,
    stopped_early,
    small_splits,
    unfinished_runs,
    several_processors,
    small_classes,
)
# Rules on all groups together.
RULES_OF_ALL: tuple[Callable[[Sequence[Group], Run | None], Iterator[ReportWarning]], ...] = (
    incomplete_study,
    several_groups,
)


def find_warnings(comparison: Comparison, study: Run | None) -> list[ReportWarning]:
    """Return the warnings of a group."""
    return [warning for rule in RULES for warning in rule(comparison, study)]


def find_warnings_of_all(groups: Sequence[Group], study: Run | None) -> list[ReportWarning]:
    """Return the warnings that concern all groups together."""
    return [warning for rule in RULES_OF_ALL for warning in rule(groups, study)]
