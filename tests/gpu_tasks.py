"""Tasks for GPUs that a folder stands for: its files are the memory in use."""

import os
import time
from pathlib import Path

from lrstudy.settings import TrainSettings
from lrstudy.study.gpu_errors import GpuError, GpuMemoryError

Place = tuple[str, int]


def place(settings: TrainSettings) -> Place:
    """Return the device, and the process."""
    return settings.device, os.getpid()


def train(settings: TrainSettings, memory: Path, trainings: int) -> Place:
    """Occupy a part of `memory`, which suffices for so many trainings, until there is a file `end` in it."""
    part = next((part for part in range(trainings) if _occupy(memory / str(part))), None)
    if part is None:
        raise GpuMemoryError("CUDA out of memory")
    while not (memory / "end").exists():
        time.sleep(0.01)
    (memory / str(part)).unlink()
    return place(settings)


def fail(settings: TrainSettings) -> None:
    """Fail as a GPU does that no longer works."""
    raise GpuError(f"CUDA error on {settings.device}")


def _occupy(part: Path) -> bool:
    try:
        part.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
