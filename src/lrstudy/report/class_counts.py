"""The number of validation images per class, from the confusion matrix of a training."""

from __future__ import annotations

from collections.abc import Mapping

from lrstudy.errors import ReportError
from lrstudy.report.cells import Group
from lrstudy.report.server import read_table
from lrstudy.server_names import KIND, TRAINING


def read_class_counts(group: Group) -> tuple[Mapping[str, int], list[str]]:
    """Return a group's validation images by class, and a sentence if they cannot be read.

    They are those of one training, since all of a group have the same images. Runs of other programs have none.
    """
    training = next((one for cell in group.cells if not cell.diverged for one in cell.trainings), None)
    if training is None or training.run.tags.get(KIND) != TRAINING:
        return {}, []
    try:
        rows = read_table(training.run.run_id, "confusion_matrix.csv")
        return {name: sum(map(int, numbers)) for name, *numbers in rows[1:]}, []
    except (ReportError, ValueError) as error:
        return {}, [f"The number of validation images per class is not known: {error}"]
