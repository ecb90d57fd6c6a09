"""Commands that try learning rates beyond those of a study; they never narrow the range of a study."""

from __future__ import annotations

from lrstudy.report.cells import Group
from lrstudy.report.commands import MAX_LRS, extend_command
from lrstudy.report.optimizer_summary import Open, OptimizerSummary
from lrstudy.report.run_settings import number, whole_number
from lrstudy.report.runs import Run
from lrstudy.server_names import GRID, KIND, SEARCH_STUDY
from lrstudy.settings.fields import MAX_FLOAT, MIN_FLOAT

LOW, HIGH = "low", "high"
# The range of a search is extended by this factor at its end.
EXTENSION = 100.0
# A grid that has extended itself gets learning rates that differ from its best one by these factors.
FURTHER = (10.0, 100.0)
# A search has tried the end of its range if a learning rate was at most this factor away.
NEAR_END = 10**0.5


def command_beyond(group: Group, study: Run | None, summary: OptimizerSummary) -> str | None:
    """Return the command that tries learning rates beside an optimizer's best one, which is not bracketed.

    A grid extends itself; one that did gets further learning rates. A search is widened, or gets more trials where it
    left a part of its range unsampled.
    """
    open_ends = [end for end, is_open in ((LOW, summary.open_low), (HIGH, summary.open_high)) if is_open is Open.EDGE]
    if search := _of_kind(study, SEARCH_STUDY):
        unsampled = unsampled_ends(study, summary)
        wider = {end: _beyond(search, end) for end in open_ends if end not in unsampled}
        trials = {"trials": f"{2 * max(1, whole_number(search.params.get('trials', '')))}"}
        return extend_command(study, group, **wider or trials)
    grid = _of_kind(study, GRID)
    if summary.best and grid and grid.params.get("extend", "").lower() == "true":
        gaps = [end for end, is_open in ((LOW, summary.open_low), (HIGH, summary.open_high)) if is_open is Open.GAP]
        further = [lr for end in open_ends for lr in _further(summary.best.lr, end)]
        return _grid_with(group, study, [*further, *(_beside(summary.best.lr, end) for end in gaps)])
    return extend_command(study, group, extend="true")


def command_below(group: Group, study: Run | None, lowest: float) -> str | None:
    """Return the command that tries learning rates below the lowest one, which diverged."""
    if search := _of_kind(study, SEARCH_STUDY):
        return extend_command(study, group, low=_beyond(search, LOW))
    return _grid_with(group, study, _further(lowest, LOW))


def unsampled_ends(study: Run | None, summary: OptimizerSummary) -> dict[str, float]:
    """Return the ends of a search's range that it never came near, although the best learning rate is on that side."""
    search = _of_kind(study, SEARCH_STUDY)
    if not search or not summary.best:
        return {}
    low, high = (number(search.params.get(end, "")) for end in (LOW, HIGH))
    ends = {LOW: low} if summary.open_low is Open.EDGE and summary.best.lr > low * NEAR_END else {}
    return ends | ({HIGH: high} if summary.open_high is Open.EDGE and summary.best.lr < high / NEAR_END else {})


def _of_kind(study: Run | None, kind: str) -> Run | None:
    return study if study and study.tags.get(KIND) == kind else None


def _beyond(search: Run, end: str) -> str:
    """Return a learning rate beyond an end of a search's range, as typed."""
    lr = number(search.params.get(end, ""))
    return _format(lr / EXTENSION if end == LOW else lr * EXTENSION)


def _further(lr: float, end: str) -> list[float]:
    return [lr / factor if end == LOW else lr * factor for factor in FURTHER]


def _beside(lr: float, end: str) -> float:
    """Return the learning rate half a decade from `lr`."""
    return lr / NEAR_END if end == LOW else lr * NEAR_END


def _grid_with(group: Group, study: Run | None, lrs: list[float]) -> str | None:
    """Return the command of a grid with its own learning rates, which are not trained again, and `lrs`."""
    logged = study.params.get("lrs", "").split(",") if study else [cell.typed for cell in group.cells][:MAX_LRS]
    by_value = {number(text): text for text in [*map(_format, lrs), *logged] if number(text) > 0}
    return extend_command(study, group, lrs=",".join(by_value[lr] for lr in sorted(by_value, reverse=True)))


def _format(lr: float) -> str:
    return f"{min(max(lr, MIN_FLOAT), MAX_FLOAT):.3g}"
