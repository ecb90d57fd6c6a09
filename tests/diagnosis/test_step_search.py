"""The critical and the best length of a step, against functions of which both are known."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrstudy.training.diagnosis.step_search import MAX_FACTOR, MAX_PROBES, search_step


def counted(function: Callable[[float], float]) -> tuple[Callable[[float], float], list[float]]:
    tried: list[float] = []

    def loss(length: float) -> float:
        tried.append(length)
        return function(length)

    return loss, tried


@given(
    st.floats(-5, 5, allow_subnormal=False),
    st.floats(1e-3, 1e3, allow_subnormal=False),
    st.floats(-1e3, 1e3, allow_subnormal=False),
)
def test_on_a_parabola_both_lengths_are_exact_and_few_losses_are_computed(
    decades: float, slope: float, start: float
) -> None:
    critical = 10**decades
    loss, tried = counted(lambda length: start + slope * length * (length / critical - 1))
    found = search_step(loss, start, -slope, resolution=1e-12 * max(abs(start), slope))
    assert found.critical == pytest.approx(critical, rel=0.01)
    assert found.best == pytest.approx(critical / 2, rel=0.01)
    assert found.is_bracketed
    assert len(tried) <= 10


CURVES: dict[str, tuple[Callable[[float], float], float, float, float]] = {
    # The function, its slope at 0, where it is its value at 0 again, and where it is lowest.
    "exponential": (lambda s: math.exp(s / 3) - 2 * s, 1 / 3 - 2, 8.7468, 3 * math.log(6)),
    "kink": (lambda s: abs(s - 5), -1, 10, 5),
    "flat": (lambda s: (s - 50) ** 4, -4 * 50**3, 100, 50),
    "wall": (lambda s: 5 - s if s < 30 else math.inf, -1, 30, 29.999),
    "not a number": (lambda s: 5 - s if s < 30 else math.nan, -1, 30, 29.999),
    "short": (lambda s: (4000 * s - 1) ** 4, -4 * 4000, 2 / 4000, 1 / 4000),
}


@pytest.mark.parametrize("name", CURVES)
def test_other_functions_are_searched_to_a_few_percent(name: str) -> None:
    function, slope, critical, best = CURVES[name]
    loss, tried = counted(function)
    found = search_step(loss, function(0), slope)
    assert found.critical == pytest.approx(critical, rel=0.06 if name in ("wall", "not a number") else 0.01)
    assert function(found.best) == pytest.approx(function(best), abs=0.09 * abs(slope * critical))
    assert len(tried) <= MAX_PROBES


def test_a_direction_that_rises_at_once_has_no_critical_length() -> None:
    assert search_step(lambda length: 1 + length, 1.0, 1.0).critical == 0
    # By its slope a descent, but the loss is lower nowhere.
    found = search_step(lambda length: 1 + length, 1.0, -1e-9)
    assert (found.critical, found.is_bracketed) == (0, False)
    assert math.isnan(found.best)


def test_a_loss_that_never_rises_has_no_critical_length() -> None:
    loss, tried = counted(lambda length: -length)
    assert search_step(loss, 0.0, -1.0).critical == math.inf
    assert max(tried) <= MAX_FACTOR
    assert len(tried) <= 10


def test_a_loss_that_is_not_a_number_is_not_searched() -> None:
    for start, slope in ((math.nan, -1.0), (math.inf, -1.0), (1.0, math.nan)):
        assert math.isnan(search_step(lambda _: 0.0, start, slope).critical)


def test_a_step_whose_change_is_rounding_is_lengthened_first() -> None:
    def rounded(length: float) -> float:
        return round(1 - 1e-7 * length * (1 - length / 1000), 6)

    assert search_step(rounded, 1.0, -1e-7).critical == 0  # the rounded loss is not lower at the step itself
    assert search_step(rounded, 1.0, -1e-7, resolution=1e-6).critical == pytest.approx(1000, rel=0.05)
    # Along the whole descent the change is below the resolution.
    assert math.isnan(search_step(rounded, 1.0, -1e-7, resolution=1e-4).critical)
