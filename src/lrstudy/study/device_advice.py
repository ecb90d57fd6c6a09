"""Advice to train on the CPU where a GPU, which `device=auto` prefers, takes longer to start than the CPU to train."""

from __future__ import annotations

import math

from lrstudy.formatting import pluralize
from lrstudy.hardware import usable_cores
from lrstudy.settings import DecideSettings, GridSettings, SearchSettings, StudySettings, TrainSettings
from lrstudy.training.specification import PreflightResult

# The processes of a study on a GPU load its kernels first. With torch 2.11, the default grid on digits took 31 s on an
# H200, most of it to start, and 18 s on the 16 cores beside it.
GPU_START_SECONDS = 10.0


def advise_cpu(settings: TrainSettings | StudySettings, preflight: PreflightResult) -> str:
    """Return a line that advises `device=cpu`; an empty text where a GPU is at least as good, or was asked for.

    The CPU is probably faster if it needs less time for all trainings than a GPU needs to start.
    """
    cores, count = usable_cores(), _count_trainings(settings)
    at_once = max(1, cores // preflight.context.threads)
    seconds = math.ceil(count / at_once) * preflight.cpu_seconds
    if not seconds < GPU_START_SECONDS:
        return ""
    return (
        f"device=auto is {preflight.context.device} here, but device=cpu is probably faster: "
        f"{pluralize(count, 'training')} would take {pluralize(cores, 'core')} about {seconds:.1f} s, and a GPU takes "
        f"{GPU_START_SECONDS:.0f} s or more to start"
    )


def _count_trainings(settings: TrainSettings | StudySettings) -> int:
    """Return the number of trainings; of a decision, the least."""
    if isinstance(settings, GridSettings):
        return len(settings.cells())
    if isinstance(settings, SearchSettings):
        return settings.trials * len(settings.optimizers)
    return len(settings.choices) if isinstance(settings, DecideSettings) else 1
