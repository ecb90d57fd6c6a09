"""The causes of a verdict in words: measurements in some epochs of a training, beside its loss.

All functions are pure, and need neither PyTorch nor a server. A curve is a mapping from epochs to values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Self

from lrstudy.server_names import (
    DEAD_UNITS,
    LR_OVER_BEST_STEP,
    LR_OVER_CRITICAL,
    NO_DESCENT,
    NO_RISE,
    SATURATED,
    TRAIN_LOSS,
)

Curve = Mapping[int, float]
# The epochs whose measurements predict the verdict.
EARLY_EPOCHS = 3
# Steps longer than the critical one overshoot.
CRITICAL = 1.0
# A step shorter than this share of the best one is short, one longer than its inverse long.
SHORT = 0.5
# A smaller share of dead units is common in trainings that go well.
MANY_DEAD = 0.3
# Units have been dead since the first epoch from which on the share was at least this part of the last one.
SINCE_SHARE = 0.9
# Saturated predictions are mentioned from this share of the images on.
MANY_SATURATED = 0.1
# The pace of a training is that of this last share of its epochs, …
PACE_PART = 0.25
# … and its target this share of the loss of chance: close to the floor, further epochs gain little.
TARGET_SHARE = 0.1
MAX_EPOCHS = 1_000_000
NEAR_ONE = 1.1  # numbers between 1 and this have a digit more


@dataclass(frozen=True)
class Causes:
    """The measurements of a training, each as a curve over the measured epochs; all are empty where none was made.

    `over_critical` is the learning rate over the critical one, `over_best` over that of the largest decrease, of the
    longest of an epoch's measured steps; `no_descent` and `no_rise` are the shares of steps that led uphill at once,
    and along which the loss never rose again. `dead` is the share of dead units, and `saturated` that of saturated
    predictions while the validation loss rises. `train_loss` has every epoch.
    """

    over_critical: Curve = field(default_factory=dict)
    over_best: Curve = field(default_factory=dict)
    no_descent: Curve = field(default_factory=dict)
    no_rise: Curve = field(default_factory=dict)
    dead: Curve = field(default_factory=dict)
    saturated: Curve = field(default_factory=dict)
    train_loss: Curve = field(default_factory=dict)

    @classmethod
    def of_curves(cls, curves: Mapping[str, Curve]) -> Self:
        """Return the causes among curves by their names on the server."""
        names = {
            "over_critical": LR_OVER_CRITICAL,
            "over_best": LR_OVER_BEST_STEP,
            "no_descent": NO_DESCENT,
            "no_rise": NO_RISE,
            "dead": DEAD_UNITS,
            "saturated": SATURATED,
            "train_loss": TRAIN_LOSS,
        }
        return cls(**{own: curves[name] for own, name in names.items() if name in curves})


def early(curve: Curve) -> float:
    """Return the largest of the values of the first epochs; NaN if there are none."""
    return max((value for epoch, value in curve.items() if epoch <= EARLY_EPOCHS), default=math.nan)


def cite(verdict: str, causes: Causes, chance_loss: float = math.nan) -> str:
    """Return a clause on the causes of a verdict; an empty text where none were measured, or none explains it.

    Args:
        verdict: the word.
        causes: that were measured.
        chance_loss: the loss of guessing, of which the target of a slow training is a share; NaN if unknown.
    """
    return _CLAUSES[verdict](causes, chance_loss) if verdict in _CLAUSES else ""


def _too_long(causes: Causes, _: float) -> str:
    overshoots, dead = _overshoot(causes), _dead(causes)
    if overshoots:
        return f"it overshoots: {overshoots}{f', and {dead}' if dead else ''}"
    if causes.over_critical:
        longest = max(causes.over_critical.values())
        none = f"none of the few measured steps overshot, the longest at {_number(longest)} times the critical length"
        return f"{dead}; {none}" if dead else none
    return dead


def _too_short(causes: Causes, chance_loss: float) -> str:
    pace = _pace(causes.train_loss, chance_loss) if _measured(causes) else ""
    return "; ".join(filter(None, [_shortness(causes), _dead(causes), pace]))


def _overfitted(causes: Causes, _: float) -> str:
    if not causes.saturated:
        return ""
    epoch = max(causes.saturated)
    share = causes.saturated[epoch]
    if share < MANY_SATURATED:
        return ""
    return f"at epoch {epoch}, {share:.0%} of the training images are predicted with more than 99% certainty"


def _good(causes: Causes, _: float) -> str:
    ratio = early(causes.over_critical)
    if math.isnan(ratio):
        return ""
    length = f"{_number(ratio)} times the critical length"
    return (
        f"an early step was {length}, and it recovered" if ratio > CRITICAL else f"its first steps were up to {length}"
    )


_CLAUSES: dict[str, Callable[[Causes, float], str]] = {
    "diverged": _too_long,
    "collapsed": _too_long,
    "unstable": _too_long,
    "too slow": _too_short,
    "overfits": _overfitted,
    "good": _good,
}


def _measured(causes: Causes) -> bool:
    return bool(causes.over_critical or causes.no_descent or causes.no_rise)


def _overshoot(causes: Causes) -> str:
    """Return a clause on the first epoch whose steps were too long, or did not descend; empty if there is none."""
    epochs = sorted({*causes.over_critical, *causes.no_descent})
    for epoch in epochs:
        if causes.no_descent.get(epoch, 0) > 1 / 2:
            return f"in epoch {epoch} steps led uphill from their beginning"
        if (ratio := causes.over_critical.get(epoch, 0)) > CRITICAL:
            return f"in epoch {epoch} a step was {_number(ratio)} times too long"
    return ""


def _dead(causes: Causes) -> str:
    """Return a clause on dead units; empty if they are few."""
    if not causes.dead or (last := causes.dead[max(causes.dead)]) < MANY_DEAD:
        return ""
    too_few = [epoch for epoch, share in causes.dead.items() if share < SINCE_SHARE * last]
    since = min(epoch for epoch in causes.dead if epoch > max(too_few, default=0))
    return f"{last:.0%} of the ReLUs have been dead since epoch {since}"


def _shortness(causes: Causes) -> str:
    """Return a clause on the length of the steps against that of the largest decrease; empty if it is not known."""
    if not causes.over_best:
        still_lower = "each step could have been a million times longer and would still have lowered the loss"
        return still_lower if causes.no_rise else ""
    ratio = median(causes.over_best.values())
    if ratio < SHORT:
        return f"each step went 1/{_number(1 / ratio)} of the way that lowers the loss most"
    if ratio <= 1 / SHORT:
        return "steps were about as long as those that lower the loss most"
    return f"steps were {_number(ratio)} times as long as those that lower the loss most"


def _pace(losses: Curve, chance_loss: float) -> str:
    """Return a clause on the epochs that a slow training would take to its target; empty if it does not get there."""
    if len(losses) < 3 or not math.isfinite(chance_loss):
        return ""
    last = max(losses)
    before = max(1, last - max(1, round(PACE_PART * last)))
    target, fall = TARGET_SHARE * chance_loss, losses.get(before, math.nan) - losses[last]
    if not fall > 0 or losses[last] <= target:
        return ""
    epochs = last + (losses[last] - target) * (last - before) / fall
    count = f"about {_number(epochs)}" if epochs < MAX_EPOCHS else "over a million"
    return f"at this pace a training loss of {target:.2g}, a tenth of that of chance, takes {count} epochs"


def _number(value: float) -> str:
    """Return a number with two significant digits, `0.042`, `5.2` or `1,200`; just above 1 with three, `1.02`."""
    rounded = float(f"{value:.3g}" if 1 < value < NEAR_ONE else f"{value:.2g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10 else f"{rounded:g}"
