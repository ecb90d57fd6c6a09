"""Find state of a user's network or optimizer that a checkpoint would lose, such as a counter in an attribute."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lrstudy.formatting import join_or, quote
from lrstudy.training import setup
from lrstudy.training.plan import TrainingPlan
from lrstudy.training.seeding import seed_random_draws
from lrstudy.training.setup import TrainingSetup

# The steps before the state is saved, and those that are compared after it.
STEPS = 2
# The images of a step.
IMAGES = 16


def describe_hidden_state(plan: TrainingPlan) -> list[str]:
    """Return a sentence if the user's own network or optimizer has state that a checkpoint would lose."""
    if not has_hidden_state(plan):
        return []
    names = join_or([f"{reference.setting}={quote(reference.text)}" for reference in plan.settings.code])
    return [
        f"{names} has state that its state_dict() lacks, such as a counter in an attribute: an interrupted training "
        "starts over, since it could not resume with the same bits."
    ]


def has_hidden_state(plan: TrainingPlan) -> bool:
    """Return whether steps after a state was restored differ from those of a training that was not interrupted.

    Only trainings with a user's own files are examined.
    """
    if not plan.settings.code:
        return False
    plan = replace(plan, settings=plan.settings.model_copy(update={"diagnose": False}))
    training = setup.build(plan)
    _make_steps(training, range(STEPS))
    saved = io.BytesIO()
    torch.save((training.network.state_dict(), training.optimizer.state_dict()), saved)
    expected = _weights_after(training)
    del training  # two networks may be too many for a GPU
    saved.seek(0)
    resumed = setup.build(plan)
    try:
        network, optimizer = torch.load(saved, map_location=plan.runtime.device, weights_only=True)
        resumed.network.load_state_dict(network)
        resumed.optimizer.load_state_dict(optimizer)
    except Exception:  # whatever the user's classes do with a state
        return True
    return not _are_equal(expected, _weights_after(resumed))


def _weights_after(training: TrainingSetup) -> dict[str, Tensor]:
    """Make further steps; return copies of the network's weights and buffers."""
    _make_steps(training, range(STEPS, 2 * STEPS))
    return {name: value.detach().cpu().clone() for name, value in training.network.state_dict().items()}


def _make_steps(training: TrainingSetup, numbers: range) -> None:
    """Make steps of a few images, each with draws that depend on its number alone."""
    inputs, labels = training.train.batch(torch.arange(min(IMAGES, len(training.train))))
    training.recipe.set_training_mode(training.network)
    for number in numbers:
        seed_random_draws(number)
        training.optimizer.zero_grad()
        training.passes.backward(inputs, labels)
        training.optimizer.step()


def _are_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(torch.allclose(value, other[name], rtol=0, atol=0, equal_nan=True) for name, value in one.items())
