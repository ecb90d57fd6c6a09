"""Estimate how long a study takes, from its preflight and from the time that this process took to import."""

from __future__ import annotations

from dataclasses import dataclass

from lrstudy.hardware import usable_cores
from lrstudy.process_times import import_seconds, seconds_since_start
from lrstudy.settings import StudySettings
from lrstudy.settings.fields import LOCAL_CLUSTER, NO_CLUSTER
from lrstudy.training.specification import PreflightResult

# Multiples of the seconds of this process's imports, which measure the machine's speed: the tracking of a training; the
# figures, the model and the summary after the trainings; the report; and the earliest end before the report, since the
# exporter of models is imported while the trainings run. Measured by `benchmarks/estimates.py`.
TRACKING, END, REPORT, EARLIEST_END = 0.025, 0.6, 1.2, 1.6
# Trainings on all cores slow each other and the process that logs them down by this factor.
CROWDED = 1.3


@dataclass(frozen=True)
class StudyEstimate:
    """The expected seconds of a study: before its trainings, for each of them, and after them.

    `earliest_end` is the minimum time from the beginning of the trainings to the end of the study.
    """

    start: float
    per_training: float
    end: float
    earliest_end: float

    def total(self, trainings: int) -> float:
        """Return the seconds of a study of that many trainings, from the start of the command to its end."""
        return self.start + self.left(trainings, self.per_training, 0.0)

    def left(self, trainings: float, per_training: float, elapsed: float) -> float:
        """Return the seconds left with that many trainings left, `elapsed` seconds after the first began."""
        return max(trainings * per_training + self.end, self.earliest_end - elapsed)


def estimate_study(
    settings: StudySettings, preflight: PreflightResult, trainings: int, concurrency: int
) -> StudyEstimate:
    """Return the estimate of a study whose trainings begin now.

    Args:
        settings: of the study.
        preflight: of the study.
        trainings: of the study.
        concurrency: trainings at a time.
    """
    context, at_once = preflight.context, min(concurrency, trainings)
    here = settings.cluster.startswith((NO_CLUSTER, LOCAL_CLUSTER))
    if here and context.device == "cpu":
        at_once = min(at_once, max(1, usable_cores() // context.threads))
    is_crowded = here and at_once > 1 and at_once * context.threads >= usable_cores()
    imports = import_seconds()
    seconds = settings.epochs * preflight.epoch_seconds + preflight.fixed_seconds
    share = -(-trainings // at_once) / trainings
    models = trainings if settings.log_models == "all" else 1
    return StudyEstimate(
        start=seconds_since_start(),
        per_training=seconds * share * (CROWDED if is_crowded else 1) + TRACKING * imports,
        end=(END * models + REPORT) * imports,
        earliest_end=(EARLIEST_END + REPORT) * imports,
    )
