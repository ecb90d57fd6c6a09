"""Metrics that weigh all classes equally, from counts per class."""

from __future__ import annotations

import torch
from torch import Tensor


class ClassCounts:
    """Counts of images by class: the true ones, the predicted ones, and those where both agree.

    Images are counted when the metrics are read: counting makes the CPU wait for a GPU.
    """

    def __init__(self) -> None:
        self._labels: list[Tensor] = []
        self._predicted: list[Tensor] = []
        self._classes = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch by its logits `(n, classes)` and labels `(n,)`."""
        self._labels.append(labels)
        self._predicted.append(logits.argmax(1))
        self._classes = logits.shape[1]

    def metrics(self) -> dict[str, float]:
        """Return the balanced accuracy and the macro F1, by their names.

        The balanced accuracy is the mean over the classes with images of the share of their images that is classified
        correctly. The macro F1 is the mean of 2 tp / (true + predicted) over the classes that are true or predicted.
        Source: scikit-learn's `balanced_accuracy_score` and `f1_score(average="macro")`.
        """
        if not self._labels:
            return {}
        labels, guesses = torch.cat(self._labels).cpu(), torch.cat(self._predicted).cpu()
        groups = labels, guesses, labels[guesses == labels]
        true, predicted, both = (torch.bincount(group, minlength=self._classes).double() for group in groups)
        recall = (both / true)[true > 0]
        f1 = (2 * both / (true + predicted))[true + predicted > 0]
        return {"balanced_accuracy": recall.mean().item(), "macro_f1": f1.mean().item()}
