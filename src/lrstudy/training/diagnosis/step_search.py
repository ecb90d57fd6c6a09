"""The critical and the best length of a step, found along its direction by doubling and bisection."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

# A step that still lowers the loss when it is this many times longer has no critical length; one that raises it
# even when it is this many times shorter is not a descent.
MAX_FACTOR = 2.0**20
# The first length has at least this many times the change that can be distinguished from rounding.
VISIBLE_FACTOR = 16.0
# The search doubles the length, or widens by up to this factor where the loss bends little.
MAX_GROWTH, MIN_GROWTH = 16.0, 2.0
# A critical length is interpolated between two lengths this close; the error is then about 1% at most.
CLOSE = 1.25
# The next length is tried this far beyond the expected one, so that the two are on either side of it.
BEYOND = 1.04
# The best length is refined until it changes by less than this share, or this many times.
SETTLED, MAX_REFINEMENTS = 0.05, 3
MAX_PROBES = 24


@dataclass(frozen=True)
class StepLengths:
    """Lengths of a step, as multiples of the one that the optimizer makes.

    `critical` is the smallest at which the loss is not below the present one, and `best` that of the largest
    decrease. `critical` is 0 where the direction is not a descent and infinite where the loss never rises again; `best`
    is then NaN. Both are NaN where the loss is not a finite number, or its decrease may be rounding.
    """

    critical: float
    best: float = math.nan

    @property
    def is_bracketed(self) -> bool:
        """True if the critical length is between two lengths that were tried."""
        return 0 < self.critical < math.inf


def search_step(loss: Callable[[float], float], start: float, slope: float, *, resolution: float = 0.0) -> StepLengths:
    """Return the critical and the best length of a step.

    With the loss L, the weights θ and the step Δ of an optimizer with the learning rate η, the critical length is

        s_c = min {s > 0: L(θ + s Δ) ≥ L(θ)},

    and η s_c is the critical learning rate of Kalra et al. 2026, https://arxiv.org/abs/2601.16979, whose critical
    sharpness is 2 / (η s_c). For gradient descent, η s_c = 2 ‖g‖² / gᵀHg to second order. The search begins at s = 1,
    or where the change exceeds rounding; it widens by a quadratic model of the loss until the loss has risen, and then
    narrows. A rise that is taken back between two lengths of the search is missed.

    Args:
        loss: returns L(θ + s Δ) for a length s.
        start: L(θ).
        slope: the derivative of `loss` at 0, gᵀΔ.
        resolution: the smallest change of the loss that can be distinguished from rounding.
    """
    if not (math.isfinite(start) and math.isfinite(slope)):
        return StepLengths(math.nan)
    if slope >= 0:
        return StepLengths(0.0)
    search = _Search(loss, start, slope)
    low, high = search.bracket(resolution / -slope)
    if not 0 < low < high < math.inf:
        return StepLengths(low)
    critical = search.narrow(low, high)
    return StepLengths(critical, search.lowest_before(critical))


class _Search:
    """The lengths tried so far, with the change of the loss at each."""

    def __init__(self, loss: Callable[[float], float], start: float, slope: float) -> None:
        self._loss = loss
        self._start = start
        self._slope = slope
        self.points = {0.0: 0.0}

    def try_length(self, length: float) -> float:
        """Return the change of the loss at a length; infinite where the loss is not a number."""
        change = self._loss(length) - self._start
        self.points[length] = math.inf if math.isnan(change) else change
        return self.points[length]

    def bracket(self, visible: float) -> tuple[float, float]:
        """Return a length with a lower loss, and the next one without.

        Without the former, both are 0, or NaN if it may be below `visible`, the length from which on changes of the
        loss can be distinguished from rounding; without the latter, both are infinite.
        """
        low, high, length = 0.0, math.inf, max(1.0, VISIBLE_FACTOR * visible)
        while max(1 / MAX_FACTOR, visible) <= length <= MAX_FACTOR:
            change = self.try_length(length)
            expected = self._critical_of_parabola(length, change)
            if change < 0:
                low = length
                length *= _clamp(BEYOND * expected / length, MIN_GROWTH, MAX_GROWTH)
            else:
                high = length
                length *= _clamp(expected / length / BEYOND, 1 / MAX_GROWTH, 1 / MIN_GROWTH)
            if low and high < math.inf:
                return low, high
        limit = math.inf if length > MAX_FACTOR else math.nan if length < visible else 0.0
        return limit, limit

    def narrow(self, low: float, high: float) -> float:
        """Return the critical length between a length with a lower loss and one without."""
        bisects = False
        while high / low > CLOSE and len(self.points) < MAX_PROBES:
            expected = self._interpolate(low, high)
            nearer_high = expected * expected > low * high
            length = expected / BEYOND if nearer_high else expected * BEYOND
            if bisects or not low < length < high:
                length = math.sqrt(low * high)
            width = high / low
            low, high = (length, high) if self.try_length(length) < 0 else (low, length)
            bisects = high / low > math.sqrt(width)
        return self._interpolate(low, high)

    def lowest_before(self, critical: float) -> float:
        """Return the length of the largest decrease below the critical length."""
        self.points = {length: change for length, change in self.points.items() if length < critical}
        self.points[critical] = 0.0
        for _ in range(MAX_REFINEMENTS):
            best = self._lowest_of_parabola()
            if min(abs(length - best) for length in self.points) <= SETTLED * best:
                return best
            self.try_length(best)
        return self._lowest_of_parabola()

    def _critical_of_parabola(self, length: float, change: float) -> float:
        """Return where a parabola through a point, with the known slope at 0, is 0 again; infinity if nowhere."""
        bend = change - self._slope * length
        return -self._slope * length * length / bend if bend > 0 else math.inf

    def _interpolate(self, low: float, high: float) -> float:
        """Return where the mean slope from 0, which is linear for a parabola, is 0 between two lengths."""
        below, above = self.points[low] / low, self.points[high] / high
        if not math.isfinite(above):
            return math.sqrt(low * high)
        return low + (high - low) * below / (below - above)

    def _lowest_of_parabola(self) -> float:
        """Return the lowest place of the parabola through the lowest point and its neighbours."""
        lengths = sorted(self.points)
        place = min(range(1, len(lengths) - 1), key=lambda index: self.points[lengths[index]])
        (a, b, c) = lengths[place - 1 : place + 2]
        left, right = (self.points[b] - self.points[a]) / (b - a), (self.points[c] - self.points[b]) / (c - b)
        return _clamp((a + b) / 2 - left * (c - a) / 2 / (right - left), a, c) if right > left else b


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
