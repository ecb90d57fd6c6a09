"""The table of learning-rate schedules: pure functions from a step to a factor of the peak learning rate.

Each takes the number of a step, counted from 0, and the number of all steps, at least 1. A schedule has no state, so a
resumed training continues it, and its length never changes while a training runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

# `step` divides the learning rate by ten after each third of the training.
STEP_FACTOR, STEP_STAGES = 0.1, 3
# `exponential` ends at this factor.
EXPONENTIAL_END = 0.01
# torch's defaults for `OneCycleLR`: the share of rising steps, and what the peak is divided by at the start; the start
# is divided again at the end.
RISING_SHARE, START_DIVISOR, END_DIVISOR = 0.3, 25.0, 1e4


def constant(_step: int, _steps: int) -> float:
    """Return 1: the learning rate stays at its peak."""
    return 1.0


def cosine(step: int, steps: int) -> float:
    """Return (1 + cos(π t / T)) / 2 at step t of T: from 1 to 0 along half a cosine.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, equation 5, without restarts.
    """
    return (1 + math.cos(math.pi * step / steps)) / 2


def linear(step: int, steps: int) -> float:
    """Return 1 - t / T at step t of T: from 1 to 0 along a line.

    Source: Goyal et al. 2017 compare it with others in https://arxiv.org/abs/1706.02677; torch's `LinearLR`.
    """
    return 1 - step / steps


def step(step: int, steps: int) -> float:
    """Return 0.1^⌊3 t / T⌋ at step t of T: 1, 0.1 and 0.01, for a third of the steps each.

    Source: He et al. 2016, https://arxiv.org/abs/1512.03385, section 3.4, divide the learning rate by 10 twice.
    """
    return float(STEP_FACTOR ** (STEP_STAGES * step // steps))


def exponential(step: int, steps: int) -> float:
    """Return 0.01^(t / T) at step t of T: from 1 to 0.01, by the same factor in every step.

    Source: torch's `ExponentialLR`, with the factor per step that leads to 0.01.
    """
    return float(EXPONENTIAL_END ** (step / steps))


def one_cycle(step: int, steps: int) -> float:
    """Return the factor of one cycle: from 1/25 to 1 over the first 30% of the steps, then to 1/250,000.

    Both parts are half cosines, as in torch's `OneCycleLR` with its defaults, which has no cycle of the momentum here.
    Source: Smith and Topin 2018, https://arxiv.org/abs/1708.07120.
    """
    peak, last = RISING_SHARE * steps - 1, steps - 1
    start, end = 1 / START_DIVISOR, 1 / START_DIVISOR / END_DIVISOR
    if steps == 1:
        return 1.0
    if step <= peak:
        return _half_cosine(start, 1.0, step / peak if peak > 0 else 1.0)
    return _half_cosine(1.0, end, (step - peak) / (last - peak))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class ScheduleSpec:
    """A schedule's function, whether it has a warmup of its own, and whether it is at its end after the last step."""

    factor: Callable[[int, int], float]
    warms_up: bool = False
    ends: bool = True


SCHEDULES = {
    "constant": ScheduleSpec(constant, ends=False),
    "cosine": ScheduleSpec(cosine),
    "linear": ScheduleSpec(linear),
    "step": ScheduleSpec(step),
    "exponential": ScheduleSpec(exponential),
    "one_cycle": ScheduleSpec(one_cycle, warms_up=True),
}


@dataclass(frozen=True)
class Schedule:
    """The factor of the learning rate at each of `steps` steps: `warmup` steps that rise, then the named schedule.

    In the warmup the factor at step t is (t + 1) / (warmup + 1), the gradual warmup of Goyal et al. 2017,
    https://arxiv.org/abs/1706.02677, section 2.2; the named schedule covers the rest of the steps.
    """

    name: str
    steps: int
    warmup: int = 0

    def factor(self, step: int) -> float:
        """Return the factor of the peak learning rate at `step`, counted from 0."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        return SCHEDULES[self.name].factor(step - self.warmup, self.steps - self.warmup)

    @property
    def is_constant(self) -> bool:
        """True if the learning rate never changes."""
        return self.name == "constant" and not self.warmup


CONSTANT = Schedule("constant", 1)
