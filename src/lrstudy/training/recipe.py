"""The recipe of a training's steps: loss, schedule of the learning rate, gradient clipping and precision."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lrstudy.schedules import CONSTANT, Schedule


@dataclass(frozen=True)
class Loss:
    """The loss that is trained: cross-entropy with label smoothing and class weights.

    With smoothing ε and class weights w, `(classes,)`, the loss of a batch is Σ w[y] l / Σ w[y] for ε = 0, where l is
    an image's cross-entropy and y its label. With ε, a label's target is 1 - ε + ε / C for its class and ε / C for the
    C - 1 others (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, section 7), as in torch's `CrossEntropyLoss`.
    """

    label_smoothing: float = 0.0
    class_weights: Tensor | None = None

    @property
    def is_plain(self) -> bool:
        """True if the loss is the plain cross-entropy."""
        return not self.label_smoothing and self.class_weights is None

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch from its logits `(n, classes)` and labels `(n,)`."""
        return cross_entropy(logits, labels, self.class_weights, label_smoothing=self.label_smoothing)


PLAIN_LOSS = Loss()


@dataclass(frozen=True)
class Recipe:
    """The loss, the learning rates, the limit and the precision of a training's steps.

    `clip_norm` is the largest norm of a gradient, 0 for no limit; `autocast` is the lower precision of the forward
    pass, None for float32 throughout; `frozen_backbone` is whether a part of the network has frozen weights.
    """

    schedule: Schedule = CONSTANT
    loss: Loss = PLAIN_LOSS
    clip_norm: float = 0.0
    autocast: torch.dtype | None = None
    frozen_backbone: bool = False

    def set_learning_rate(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Set the learning rate of each of the optimizer's groups for `step`, counted from 0 over the training."""
        if not self.schedule.is_constant:
            factor = self.schedule.factor(step)
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def set_training_mode(self, network: torch.nn.Module) -> None:
        """Set `network` to training mode, and the layers of a frozen backbone to evaluation mode.

        Batch normalisation in training mode would change its running statistics, although its weights are frozen.
        """
        network.train()
        if self.frozen_backbone:
            for layer in network.modules():
                layer.training = any(weight.requires_grad for weight in layer.parameters())

    def forward_precision(self, device: torch.device) -> AbstractContextManager[object]:
        """Return the context in which the forward pass of a training step runs; evaluations run outside it."""
        return nullcontext() if self.autocast is None else torch.autocast(device.type, self.autocast)

    def clip(self, weights: Iterable[torch.nn.Parameter]) -> None:
        """Scale the gradients of `weights` down to the largest norm (https://arxiv.org/abs/1211.5063, algorithm 1)."""
        if self.clip_norm:
            torch.nn.utils.clip_grad_norm_(weights, self.clip_norm)


# A constant learning rate, plain cross-entropy, float32.
PLAIN_RECIPE = Recipe()


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return n / (C n_c) for each class c, with n images, n_c of class c, and C classes; float64 `(classes,)`.

    Source: scikit-learn's `compute_class_weight("balanced")`, after King and Zeng 2001.
    A class without images has the weight 0.
    """
    counts = np.bincount(labels, minlength=classes)
    return np.divide(len(labels), classes * counts, out=np.zeros(classes), where=counts > 0)
