"""Records that warning rules yield."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lrstudy.report.comparison import Comparison
from lrstudy.report.runs import Run


@dataclass(frozen=True)
class ReportWarning:
    """A warning: a short code, one or two sentences, and the command that would settle it, if one would."""

    code: str
    text: str
    command: str | None = None


# A rule yields the warnings of a comparison; its second argument is the study's own run, if there is one.
Rule = Callable[[Comparison, Run | None], Iterator[ReportWarning]]
