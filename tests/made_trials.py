"""Made data, its study context, and results of trials that were not trained."""

import math

from lrstudy.settings import TrainSettings
from lrstudy.study.trial_result import TrialResult
from lrstudy.training.specification import DataSummary, StudyContext, TrialSpecification

DATA = DataSummary(
    name="made",
    source="here",
    digest="0" * 32,
    image_shape=(8, 8, 1),
    split_sizes={"train": 6, "validation": 4},
    chance_loss=math.log(10),
    bad_images=(),
    classes=tuple("0123456789"),
    skipped_files=0,
    remarks=(),
    preprocessing=3,
    chance_accuracy=0.1,
)
CONTEXT = StudyContext(DATA, "cpu", 1, "a machine", "fp32")


def done(number: int, settings: TrainSettings, val_loss: float = 1.0, verdict: str = "good") -> TrialResult:
    """Return the result of a trial that has ended."""
    specification = TrialSpecification(settings, CONTEXT, {"lr": settings.lr})
    return TrialResult(number, specification, f"run {number}", val_loss, 0.5, verdict)
