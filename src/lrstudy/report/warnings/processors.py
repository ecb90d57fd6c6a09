"""Warning on cells that were trained on different kinds of processors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from lrstudy.formatting import join_and
from lrstudy.report.comparison import Comparison
from lrstudy.report.runs import Run
from lrstudy.report.warnings.warning import ReportWarning
from lrstudy.server_names import HARDWARE

# `lrstudy.hardware` describes a machine as `GPU; CPU, 8 cores, 32 GiB`: numbers depend on neither cores nor memory.
CORES_AND_MEMORY = re.compile(r", \d+ cores, \d+ GiB$")
MAX_NAMED = 4


def several_processors(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Warn that the cells were trained on several kinds of processors, whose numbers differ in their last digits."""
    machines = (run.tags[HARDWARE] for run in comparison.group.finished if HARDWARE in run.tags)
    kinds = Counter(CORES_AND_MEMORY.sub("", machine) for machine in machines)
    if len(kinds) > 1:
        listed = join_and([f"{kind} ({runs})" for kind, runs in kinds.most_common(MAX_NAMED)], len(kinds))
        yield ReportWarning(
            "processors",
            f"The trainings ran on {len(kinds)} kinds of processors: {listed}. Rounding differs between them, so the "
            "same training does not give the same numbers on each; a small difference between cells may be one of "
            "processors.",
        )
