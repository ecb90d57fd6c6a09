"""The first draws of a search: however many there are, they are spread over the logarithmic range."""

from __future__ import annotations

import math

import numpy as np

# The first n multiples of this number, modulo 1, leave no gap of 2/n or more (the three-distance theorem).
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


def seed_of(optimizer: str, seed: int) -> int:
    """Return the seed of an optimizer's draws, so that each optimizer gets other learning rates."""
    return int(np.random.SeedSequence([seed, *optimizer.encode()]).generate_state(1)[0])


def spread_out(number: int, low: float, high: float, seed: int) -> float:
    """Return element `number`, from 0 on, of a sequence of learning rates between `low` and `high`.

    Its logarithm is log(low) + ((offset + number · φ) mod 1) · log(high / low), with an offset from `seed`.
    """
    share = (np.random.default_rng(seed).random() + number * GOLDEN_RATIO) % 1
    lr = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return min(max(lr, low), high)
