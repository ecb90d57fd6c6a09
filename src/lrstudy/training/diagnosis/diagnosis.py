"""Measurements of the causes of a verdict, made beside its steps and epochs and without any effect on them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lrstudy.hardware import free_memory_bytes
from lrstudy.redaction import first_line
from lrstudy.training.data_splits import DataSplit
from lrstudy.training.diagnosis.activations import Activations, measure_activations
from lrstudy.training.diagnosis.layer_table import LayerRow, layer_rows
from lrstudy.training.diagnosis.measured_steps import MAX_IMAGES, evenly_spaced, measured_steps
from lrstudy.training.diagnosis.movement import StepMeasurement, measure_step
from lrstudy.training.diagnosis.network_copy import LossAlongStep, RandomState, copy_network, random_state_kept
from lrstudy.training.recipe import Recipe

# A measurement has this many copies of the weights: before the step, as they are changed, the step, and the gradient.
COPIES = 4
# Of fewer training images than this, a share says nothing.
MIN_IMAGES = 2
# A network is checked on at most this many images.
MAX_CHECKED = 64
# Two evaluations of one network on the same images differ by less than this, relative to the largest logit, …
SAME_LOGITS = 1e-3
# … and two losses with the same random draws by less than this share.
SAME_LOSS = 1e-4

Measured = TypeVar("Measured")


class Diagnosis:
    """The measurements of a training: those of chosen steps, and those after the epochs that have such steps.

    A measurement that fails is left out with all later ones; `left_out` is then a sentence on the reason. `rows` is the
    table of all layers that were measured so far.
    """

    def __init__(self, train: DataSplit, recipe: Recipe, *, epochs: int, steps: int, batch_size: int) -> None:
        self.rows: list[LayerRow] = []
        self.left_out = ""
        self._train = train
        self._recipe = recipe
        self._steps = steps
        self._plan = measured_steps(epochs, steps, batch_size)
        self._sample = torch.tensor(evenly_spaced(min(len(train), MAX_IMAGES), len(train)))
        self._measured: list[StepMeasurement] = []
        # The copy of the network on which a step was measured last, until the epoch ends.
        self._copy: nn.Module | None = None
        self._lowest_val_loss = math.inf
        self._is_checked = False
        self._seconds = 0.0
        if len(train) < MIN_IMAGES:
            self._leave_out("the training split has a single image")

    @property
    def state(self) -> dict[str, Any]:
        """The measurements so far, in plain values for a checkpoint."""
        return {"rows": [tuple(row) for row in self.rows], "left_out": self.left_out}

    def restore(self, state: Mapping[str, Any], val_losses: Sequence[float]) -> None:
        """Continue from `state`, after epochs with these validation losses."""
        self.rows = [LayerRow(*row) for row in state.get("rows", ())]
        self.left_out = state.get("left_out") or self.left_out
        self._lowest_val_loss = min(filter(math.isfinite, val_losses), default=math.inf)

    def take_seconds(self) -> float:
        """Return the seconds that measurements of steps took since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    @contextmanager
    def step(self, network: nn.Module, number: int, inputs: Tensor, labels: Tensor) -> Iterator[None]:
        """Measure the step that is made within the block, if it is one of those to be measured.

        Args:
            network: in training mode.
            number: of the step, counted from 0 over the training.
            inputs: normalised images `(n, channels, side, side)` of the step's batch.
            labels: `(n,)`.
        """
        epoch, place = divmod(number, self._steps)
        if self.left_out or place not in self._plan.get(epoch + 1, ()):
            yield
            return
        inputs, labels = inputs[:MAX_IMAGES], labels[:MAX_IMAGES]
        with self._timed():
            prepared = self._attempt(lambda: self._prepare(network, inputs, labels))
        yield
        if prepared:
            before, state = prepared
            with self._timed():
                self._attempt(lambda: self._measure_step(before, network, inputs, labels, state))

    def end_epoch(self, network: nn.Module, epoch: int, val_loss: float) -> dict[str, float]:
        """Return the causes measured in an epoch, by the names of their fields in `Epoch`.

        Args:
            network: in evaluation mode.
            epoch: its number.
            val_loss: its validation loss.
        """
        rises = val_loss > self._lowest_val_loss
        self._lowest_val_loss = min(filter(math.isfinite, (self._lowest_val_loss, val_loss)), default=math.inf)
        measured, self._measured = self._measured, []
        copied, self._copy = self._copy, None
        if self.left_out or epoch not in self._plan:
            return {}
        activations = self._attempt(lambda: self._measure_activations(network, copied))
        if activations is None:
            return {}
        self.rows += layer_rows(epoch, measured, activations)
        return causes_of_epoch(measured, activations, rises=rises)

    def _prepare(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[nn.Module, RandomState]:
        """Return a copy of the network before its step, and the random states of then.

        While a GPU computes the step, the copy waits in the computer's memory, so that the step has all of the GPU's.
        """
        if COPIES * sum(weight.nbytes for weight in network.parameters()) > free_memory_bytes():
            raise MemoryError
        if not self._is_checked:
            self._check_repeatability(network, inputs, labels)
            self._is_checked = True
        self._copy = None
        return _put_aside(copy_network(network)), RandomState.capture(inputs.device)

    def _check_repeatability(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> None:
        """Raise _NotRepeatableError if `network` is random in evaluation, or draws numbers that cannot be repeated."""
        inputs, labels = inputs[:MAX_CHECKED], labels[:MAX_CHECKED]
        with random_state_kept(inputs.device) as state, torch.no_grad():
            evaluated = copy_network(network).eval()
            first, second = evaluated(inputs).float(), evaluated(inputs).float()
            tolerance = SAME_LOGITS * first.nan_to_num(0, 0, 0).abs().max().item()
            if not torch.allclose(first, second, 0, tolerance, equal_nan=True):
                raise _NotRepeatableError("the network's outputs are random in evaluation")
            along = LossAlongStep(copy_network(network), inputs, labels, self._recipe.loss, state)
            start, again = along.start_loss(), along.start_loss()
            if abs(start - again) > SAME_LOSS * abs(start):
                raise _NotRepeatableError("the network draws random numbers that cannot be drawn again")

    def _measure_step(
        self, before: nn.Module, network: nn.Module, inputs: Tensor, labels: Tensor, state: RandomState
    ) -> None:
        with random_state_kept(inputs.device):
            along = LossAlongStep(before.to(inputs.device), inputs, labels, self._recipe.loss, state)
            self._measured.append(measure_step(network, along))
        self._copy = _put_aside(before)

    def _measure_activations(self, network: nn.Module, copied: nn.Module | None) -> Activations:
        inputs, _ = self._train.batch(self._sample)
        with random_state_kept(inputs.device):
            copied = copied.to(inputs.device) if copied else copy_network(network)
            copied.load_state_dict(network.state_dict())
            return measure_activations(copied.eval(), inputs)

    def _attempt(self, measure: Callable[[], Measured]) -> Measured | None:
        """Return what `measure` returns; if it fails, return None and leave out all that would be measured later."""
        try:
            return measure()
        except _NotRepeatableError as error:
            self._leave_out(str(error))
        except (torch.OutOfMemoryError, MemoryError):
            self._leave_out("the device has too little memory left")
        except Exception as error:  # of the user's network, in a pass that training would not make
            self._leave_out(f"{type(error).__name__}: {first_line(error)}")
        return None

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - started

    def _leave_out(self, reason: str) -> None:
        extent = f"after epoch {self.rows[-1].epoch}" if self.rows else "of this verdict"
        self.left_out = f"No causes {extent} were measured: {reason.rstrip('.')}."


def _put_aside(network: nn.Module) -> nn.Module:
    """Move a copy of a network from a GPU to the computer's memory while it waits."""
    return network.cpu() if next(network.parameters()).device.type == "cuda" else network


class _NotRepeatableError(Exception):
    """The loss is not a function of the weights alone."""


def causes_of_epoch(steps: Sequence[StepMeasurement], activations: Activations, *, rises: bool) -> dict[str, float]:
    """Return the causes of an epoch by the names of their fields in `Epoch`; those that were not measured are left out.

    The learning rates over the critical one and over that of the largest decrease are those of the longest step: one
    step that is far too long can destroy a network. Other numbers are medians over the steps, or shares of them.

    Args:
        steps: that were measured in the epoch.
        activations: after it.
        rises: whether the validation loss is above its minimum.
    """
    lengths = [step.lengths for step in steps if not math.isnan(step.lengths.critical)]
    shares = {
        "why_no_descent": [float(found.critical == 0) for found in lengths],
        "why_no_rise": [float(math.isinf(found.critical)) for found in lengths],
    }
    longest = {
        "why_lr_over_critical": [1 / found.critical for found in lengths if found.is_bracketed],
        "why_lr_over_best_step": [1 / found.best for found in lengths if found.is_bracketed],
    }
    medians = {
        "why_update_ratio": [step.update_ratio for step in steps],
        "why_gradient_norm": [step.gradient_norm for step in steps],
        "why_dead_units": [activations.dead_share],
        **({"why_saturated": [activations.saturated]} if rises else {}),
    }
    return {
        **{name: sum(values) / len(values) for name, values in shares.items() if any(values)},
        **{name: max(values) for name, values in longest.items() if values},
        **{name: median(known) for name, values in medians.items() if (known := _known(values))},
    }


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]
