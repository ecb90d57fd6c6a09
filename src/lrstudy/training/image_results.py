"""The loss and the predicted class of each image of a data split."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


class ImageResults:
    """The results of an evaluation image by image, in the order of the data split."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._predicted: list[Tensor] = []

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch from its logits `(n, classes)` and labels `(n,)`."""
        self._losses.append(cross_entropy(logits, labels, reduction="none"))
        self._predicted.append(logits.argmax(1))

    @property
    def losses(self) -> np.ndarray:
        """The cross-entropy of each image in nats, float32 `(images,)`; the mean is the loss of the evaluation."""
        return torch.cat(self._losses).cpu().numpy()

    @property
    def predicted(self) -> np.ndarray:
        """The predicted class of each image, int64 `(images,)`."""
        return torch.cat(self._predicted).cpu().numpy()
