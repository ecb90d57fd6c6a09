"""The number of steps of a training, and the settings that give it enough of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping

# Below this many steps, most networks have hardly begun to learn.
FEW_STEPS = 300
# Smaller batches make steps slow and noisy: more epochs are suggested instead.
SMALL_BATCH = 32
# The default of a training; fewer epochs are never suggested.
USUAL_EPOCHS = 50
# A suitable batch size is a power of two between these, with this number of steps per epoch if that is possible.
SUITABLE_BATCHES = (8, 256)
STEPS_PER_EPOCH = 10
# Suitable epochs make this number of steps, within limits.
SUITABLE_STEPS = 1000
SUITABLE_EPOCHS = (10, 100)


def suitable_batch_size(images: int) -> int:
    """Return a batch size that suits a number of training images: the largest with enough steps per epoch."""
    low, high = SUITABLE_BATCHES
    return min(max(1 << int(math.log2(max(images / STEPS_PER_EPOCH, 1))), low), high)


def suitable_epochs(images: int, batch_size: int) -> int:
    """Return a number of epochs that suits a number of training images."""
    low, high = SUITABLE_EPOCHS
    return min(max(math.ceil(SUITABLE_STEPS / count_steps(images, batch_size, 1)), low), high)


def count_steps(images: int, batch_size: int, epochs: int) -> int:
    """Return the steps of a training of `images` images, all epochs together."""
    return math.ceil(images / batch_size) * epochs


def settings_for_more_steps(images: int, batch_size: int, epochs: int) -> dict[str, int]:
    """Return changed settings that give a training `FEW_STEPS` steps or more: a smaller batch, then more epochs.

    A training that already has that many steps needs none.
    """
    if count_steps(images, batch_size, epochs) >= FEW_STEPS:
        return {}
    changed = {}
    if batch_size > SMALL_BATCH and count_steps(images, SMALL_BATCH, 1) > count_steps(images, batch_size, 1):
        changed["batch_size"] = batch_size = SMALL_BATCH
    if count_steps(images, batch_size, epochs) < FEW_STEPS:
        changed["epochs"] = max(USUAL_EPOCHS, math.ceil(FEW_STEPS / count_steps(images, batch_size, 1)))
    return changed


def print_steps(images: int, batch_size: int, epochs: int) -> None:
    """Print the number of steps of a training; if they are few, print a warning with settings that give more."""
    steps = count_steps(images, batch_size, epochs)
    print(f"steps: {steps:,} per training, {count_steps(images, batch_size, 1):,} per epoch", flush=True)
    if changed := settings_for_more_steps(images, batch_size, epochs):
        then = count_steps(images, changed.get("batch_size", batch_size), changed.get("epochs", epochs))
        problem = f"fewer than {FEW_STEPS} steps are often too few to learn"
        print(f"warning: {problem}; {format_changes(changed)} would make {then:,}.", file=sys.stderr, flush=True)


def format_changes(changed: Mapping[str, int]) -> str:
    """Return settings as typed: `batch_size=32 and epochs=50`."""
    return " and ".join(f"{name}={value}" for name, value in changed.items())
