"""The first draws of a search, which cover its range evenly on a logarithmic scale, however many there are."""

from __future__ import annotations

import math

import numpy as np

# The first n multiples of this number, modulo 1, leave no gap of 2/n or more (the three-distance theorem).
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


def optimizer_seed(optimizer: str, seed: int) -> int:
    """Return the seed of an optimizer's draws, which differ from those of other optimizers."""
    return int(np.random.SeedSequence([seed, *optimizer.encode()]).generate_state(1)[0])


def evenly_spread_lr(number: int, low: float, high: float, seed: int) -> float:
    """Return element `number`, counted from 0, of a sequence that covers `low` to `high` evenly.

    Its logarithm is log(low) + ((offset + number · φ) mod 1) · log(high / low), with an offset from `seed`.
    """
    share = (np.random.default_rng(seed).random() + number * GOLDEN_RATIO) % 1
    lr = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return min(max(lr, low), high)
