"""The passes of a network through batches, each operation started by the CPU."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from lrstudy.training.recipe import Recipe


class Passes(Protocol):
    """The passes of a network through batches of normalised images `(n, channels, side, side)`."""

    @property
    def left_out(self) -> str:
        """A sentence on why passes are not replayed on a GPU; empty where they are, or need not be."""

    def backward(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Set the gradients of the weights, which had none, by the loss; return the logits, in float32, and the loss.

        Args:
            inputs: of a training step.
            labels: `(n,)`.
        """

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of an evaluation."""


class EagerPasses:
    """Passes that run operation by operation."""

    def __init__(self, network: nn.Module, recipe: Recipe, left_out: str = "") -> None:
        self.left_out = left_out
        self._network = network
        self._recipe = recipe

    def backward(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with self._recipe.forward_precision(inputs.device):
            logits = self._network(inputs)
        logits = logits.float()
        loss = self._recipe.loss(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return logits.detach(), loss.detach()

    def forward(self, inputs: Tensor) -> Tensor:
        return self._network(inputs)  # type: ignore[no-any-return]
