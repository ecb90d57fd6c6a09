"""Schedules, compared step by step with torch's own classes."""

from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler

from lrstudy.schedules import SCHEDULES, Schedule

PEAK = 0.5
# torch's scheduler of the same shape over a number of steps.
OF_TORCH: dict[str, Callable[[torch.optim.Optimizer, int], lr_scheduler.LRScheduler]] = {
    "constant": lambda optimizer, steps: lr_scheduler.ConstantLR(optimizer, factor=1.0),
    "cosine": lambda optimizer, steps: lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps),
    "linear": lambda optimizer, steps: lr_scheduler.LinearLR(
        optimizer, start_factor=1.0, end_factor=0.0, total_iters=steps
    ),
    "step": lambda optimizer, steps: lr_scheduler.MultiStepLR(optimizer, [-(-steps // 3), -(-2 * steps // 3)]),
    "exponential": lambda optimizer, steps: lr_scheduler.ExponentialLR(optimizer, gamma=0.01 ** (1 / steps)),
    "one_cycle": lambda optimizer, steps: lr_scheduler.OneCycleLR(
        optimizer, max_lr=PEAK, total_steps=steps, cycle_momentum=False
    ),
}


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)


def rates_of_torch(optimizer: torch.optim.Optimizer, scheduler: lr_scheduler.LRScheduler, steps: int) -> list[float]:
    """Return the learning rate of each step."""
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < steps:
            scheduler.step()
    return rates


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 30, 101])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_equals_torchs_own_at_every_step(name: str, steps: int) -> None:
    if name == "one_cycle" and steps == 1:
        pytest.skip("torch divides by zero there")
    optimizer = sgd()
    expected = rates_of_torch(optimizer, OF_TORCH[name](optimizer, steps), steps)
    schedule = Schedule(name, steps)
    assert [PEAK * schedule.factor(step) for step in range(steps)] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", [name for name, spec in SCHEDULES.items() if not spec.warms_up])
def test_a_warmup_equals_torchs_own_before_the_schedule_of_the_rest(name: str) -> None:
    optimizer, warmup, steps = sgd(), 8, 40
    rising = lr_scheduler.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    rest = OF_TORCH[name](optimizer, steps - warmup)
    scheduler = lr_scheduler.SequentialLR(optimizer, [rising, rest], milestones=[warmup])
    schedule = Schedule(name, steps, warmup)
    expected = rates_of_torch(optimizer, scheduler, steps)
    assert [PEAK * schedule.factor(step) for step in range(steps)] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_reaches_its_peak_and_never_exceeds_it(name: str) -> None:
    factors = [Schedule(name, 1000).factor(step) for step in range(1000)]
    assert max(factors) == pytest.approx(1.0, abs=1e-4)
    assert all(0 < factor <= 1 for factor in factors)


def test_a_training_of_one_step_uses_the_peak() -> None:
    assert Schedule("one_cycle", 1).factor(0) == 1.0
