"""The steps of a training that are measured: as many as a share of its time allows, the first ones densest.

They depend on the numbers of epochs, steps and images alone: a training that is repeated measures the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping

# Images of a batch on which the loss along a step is evaluated.
MAX_IMAGES = 256
# Forward passes that a measurement takes, with the copying, as a mean over many trainings.
FORWARD_PASSES = 13
# A training step takes the time of three forward passes: https://arxiv.org/abs/2001.08361, section 2.1.
PASSES_PER_STEP = 3
# The copies of the network, and the sample of images after the epoch, weigh more beside steps of few images: this many
# steps, for one image per step.
COPIES = 16
# Measurements take less than this share of a training's time, …
SHARE = 0.05
# … and a larger one of a training whose epochs have fewer steps than this: it could measure hardly anything else.
MANY_STEPS, SHARE_OF_SHORT = 100, 0.1
# An epoch has at most this many measured steps: the longest of them is then known well enough.
MAX_PER_EPOCH = 8
# The first steps and epochs are measured in a short training whatever they cost: a learning rate that fails does so
# there.
FIRST_STEPS, FIRST_EPOCHS = 3, 2


def measured_steps(epochs: int, steps: int, batch_size: int) -> Mapping[int, tuple[int, ...]]:
    """Return the epochs that have measured steps, each with their numbers within the epoch, counted from 0.

    Args:
        epochs: of the training.
        steps: per epoch.
        batch_size: images per step.
    """
    share = SHARE if steps >= MANY_STEPS else SHARE_OF_SHORT
    count = int(share * steps * epochs / steps_per_measurement(batch_size))
    affordable = FIRST_STEPS if steps < MANY_STEPS else max(1, count - epochs + 1)
    first = min(steps, max(min(FIRST_STEPS, affordable), min(MAX_PER_EPOCH, count // epochs)))
    per_epoch = min(MAX_PER_EPOCH, (count - first) // max(1, epochs - 1))
    later = range(2, epochs + 1) if per_epoch > 0 else densest_first(epochs, count - first)
    return {1: first_steps(first, steps), **dict.fromkeys(later, evenly_spaced(max(1, per_epoch), steps))}


def steps_per_measurement(batch_size: int) -> float:
    """Return the training steps that take the time of a measurement."""
    images = min(MAX_IMAGES, batch_size) / batch_size
    return max(1.0, FORWARD_PASSES / PASSES_PER_STEP * images) + COPIES / batch_size


def first_steps(count: int, of: int) -> tuple[int, ...]:
    """Return `count` numbers below `of`: 0, 1, 2, and then others at distances that grow by a constant factor."""
    return tuple(place if place < FIRST_STEPS else max(place, int(of ** (place / count))) for place in range(count))


def evenly_spaced(count: int, of: int) -> tuple[int, ...]:
    """Return `count` numbers below `of`, each in the middle of an equal part."""
    return tuple(of * (2 * place + 1) // (2 * count) for place in range(count))


def densest_first(epochs: int, count: int) -> list[int]:
    """Return about `count` epochs after the first, up to `epochs`, at distances that grow by a constant factor.

    The first epochs are among them, and the last one.
    """
    always = {epoch for epoch in (*range(2, FIRST_EPOCHS + 1), epochs) if 1 < epoch <= epochs}
    if count <= len(always):
        return sorted(always)
    return sorted(always | {round(epochs ** (place / count)) for place in range(1, count + 1)} - {1})
