"""The budget of a decision: a number of trainings, or a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean
from typing import Protocol


class Budget(Protocol):
    """A limit on the trainings of a study."""

    def allows(self, number: int) -> bool:
        """Return whether the training with this number, counted from 0, can be started now."""

    def on_started(self, number: int) -> None:
        """Take note that a training has started."""

    def on_ended(self, number: int, *, whole: bool) -> None:
        """Take note that a training has ended; it was `whole` unless it was reused or stopped early."""

    def expected(self, started: int) -> int:
        """Return the number of trainings that the budget allows in all, `started` of them already."""

    def enlarged(self, trainings: int) -> str:
        """Return the setting with which the same command trains about that many trainings more."""


@dataclass(frozen=True)
class TrainingsBudget:
    """A number of trainings."""

    trainings: int

    def allows(self, number: int) -> bool:
        return number < self.trainings

    def on_started(self, number: int) -> None:
        pass

    def on_ended(self, number: int, *, whole: bool) -> None:
        pass

    def expected(self, started: int) -> int:  # noqa: ARG002
        return self.trainings

    def enlarged(self, trainings: int) -> str:
        return f"trainings={self.trainings + trainings}"


@dataclass
class TimeBudget:
    """A time: a training starts if it will have ended before `deadline`, by the clock `now`, in seconds.

    `minutes` is the time of the whole command; `seconds` is that expected of a training beside the others, `at_once`
    the number of trainings at a time.
    """

    minutes: float
    deadline: float
    seconds: float
    at_once: int
    now: Callable[[], float] = time.monotonic
    _started: dict[int, float] = field(default_factory=dict)
    _taken: list[float] = field(default_factory=list)

    def allows(self, number: int) -> bool:  # noqa: ARG002
        return self.now() + self._expected_seconds <= self.deadline

    def on_started(self, number: int) -> None:
        self._started[number] = self.now()

    def on_ended(self, number: int, *, whole: bool) -> None:
        if whole:
            self._taken.append(self.now() - self._started[number])

    def expected(self, started: int) -> int:
        left = max(self.deadline - self.now(), 0.0)
        return started + int(left / self._expected_seconds * self.at_once)

    def enlarged(self, trainings: int) -> str:
        # The trainings so far are reused, and so take no time; a shorter time than now might be called too short.
        further = trainings * self._expected_seconds / self.at_once / 60
        return f"minutes={max(self.minutes, float(f'{further:.2g}') + 1):g}"

    @property
    def _expected_seconds(self) -> float:
        """The time of a training: at first as estimated, then as the latest ones took."""
        return fmean(self._taken[-5:]) if self._taken else self.seconds
