"""The warnings about the images of a group, such as copies, that its trainings printed before they began."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lrstudy.errors import ReportError
from lrstudy.report.cells import Group
from lrstudy.report.server import read_text
from lrstudy.report.warnings import ReportWarning
from lrstudy.server_names import KIND, TRAINING


def data_warnings(group: Group) -> list[ReportWarning]:
    """Return the warnings about a group's images; none if its trainings logged none.

    They are those of one training, since all of a group have the same images.
    """
    training = next((one for cell in group.cells for one in cell.trainings), None)
    if training is None or training.run.tags.get(KIND) != TRAINING:
        return []
    return [ReportWarning("data", _as_sentence(text)) for text in _logged_warnings(training.run.run_id)]


def _logged_warnings(run_id: str) -> Iterator[str]:
    try:
        logged = json.loads(read_text(run_id, "data.json"))
        yield from map(str, logged.get("warnings", ()))
    except (ReportError, ValueError, AttributeError):  # of an earlier version
        return


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
