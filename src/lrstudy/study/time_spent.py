"""The time that a study spends on training, validation and tracking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lrstudy.training.result import WorkerResult


class TimeSpent:
    """Seconds by activity: training and validation summed over all workers, tracking in the driver."""

    def __init__(self) -> None:
        self.seconds = {"train": 0.0, "validation": 0.0, "tracking": 0.0}

    def add_training(self, result: WorkerResult) -> None:
        """Add the epochs of a training."""
        self.seconds["train"] += sum(epoch.train_seconds for epoch in result.history)
        self.seconds["validation"] += sum(epoch.val_seconds for epoch in result.history)

    @contextmanager
    def tracking(self) -> Iterator[None]:
        """Add the time of the `with` block to that of tracking."""
        started = time.perf_counter()
        yield
        self.seconds["tracking"] += time.perf_counter() - started
