"""The steps of a training that are measured: as many as a share of its time allows, the first epochs densest.

They depend on the numbers of epochs, steps and images alone: a training that is repeated measures the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping

# Images of a batch on which the loss along a step is evaluated.
MAX_IMAGES = 256
# Forward passes that a measurement takes, with the copying and the sample's own, as a mean over many trainings.
FORWARD_PASSES = 15
# A training step takes the time of three forward passes: https://arxiv.org/abs/2001.08361, section 2.1.
PASSES_PER_STEP = 3
# Measurements take less than this share of a training's time, …
SHARE = 0.05
# … and a larger one of a training whose epochs have fewer steps than this: it could measure hardly anything else.
MANY_STEPS, SHARE_OF_SHORT = 100, 0.08
# An epoch has at most this many measured steps: their median is then known well enough.
MAX_PER_EPOCH = 8
# The epochs that are measured whatever they cost: a learning rate that fails does so in the first ones.
FIRST_EPOCHS = 3


def measured_steps(epochs: int, steps: int, batch_size: int) -> Mapping[int, tuple[int, ...]]:
    """Return the epochs that have measured steps, each with their numbers within the epoch, counted from 0.

    Args:
        epochs: of the training.
        steps: per epoch.
        batch_size: images per step.
    """
    cost = max(1.0, FORWARD_PASSES * min(MAX_IMAGES, batch_size) / batch_size / PASSES_PER_STEP)
    share = SHARE if steps >= MANY_STEPS else SHARE_OF_SHORT
    per_epoch = int(min(MAX_PER_EPOCH, share * steps / cost))
    if per_epoch:
        return dict.fromkeys(range(1, epochs + 1), evenly_spaced(per_epoch, steps))
    chosen = densest_first(epochs, max(FIRST_EPOCHS + 1, int(share * steps * epochs / cost)))
    return dict.fromkeys(chosen, evenly_spaced(1, steps))


def evenly_spaced(count: int, of: int) -> tuple[int, ...]:
    """Return `count` numbers below `of`, each in the middle of an equal part."""
    return tuple(of * (2 * place + 1) // (2 * count) for place in range(count))


def densest_first(epochs: int, count: int) -> list[int]:
    """Return `count` epochs at most, from 1 to `epochs`, at distances that grow by a constant factor."""
    chosen = {round(epochs ** (place / (count - 1))) for place in range(count)}
    chosen |= set(range(1, FIRST_EPOCHS + 1))
    return sorted(epoch for epoch in chosen if epoch <= epochs)
