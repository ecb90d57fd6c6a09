"""Warning on trainings that cannot be compared with each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrstudy.formatting import join_and
from lrstudy.report import preprocessing
from lrstudy.report.cells import Group
from lrstudy.report.runs import Run
from lrstudy.report.warnings.warning import ReportWarning


def differing_settings(groups: Sequence[Group]) -> list[str]:
    """Return the names of the settings in which groups differ."""
    names = sorted({name for group in groups for name in group.settings})
    return [name for name in names if len({group.settings.get(name) for group in groups}) > 1]


def several_groups(groups: Sequence[Group], _: Run | None) -> Iterator[ReportWarning]:
    """Warn that the trainings form several groups, and name the settings in which these differ."""
    if len(groups) < 2:
        return
    names = differing_settings(groups)
    files = (
        " Another version of this project may have made other pixels of the same files."
        if preprocessing.SETTING in names
        else ""
    )
    shapes = " The section “Network shapes in detail” compares the same cells." if names == ["hidden"] else ""
    yield ReportWarning(
        "groups",
        f"The trainings form {len(groups)} groups that differ in {join_and(names)}: they are not mixed, and each group "
        f"has its own recommendation.{files}{shapes}",
    )
