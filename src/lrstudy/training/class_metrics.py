"""Metrics that weigh all classes equally, from counts per class."""

from __future__ import annotations

import torch
from torch import Tensor


class ClassCounts:
    """Counts of images by class: the true ones, the predicted ones, and those where both agree."""

    def __init__(self) -> None:
        self._counts: Tensor | None = None

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch from its logits `(n, classes)` and labels `(n,)`."""
        predicted, classes = logits.argmax(1), logits.shape[1]
        groups = labels, predicted, labels[predicted == labels]
        counts = torch.stack([torch.bincount(group, minlength=classes) for group in groups])
        self._counts = counts if self._counts is None else self._counts + counts

    def metrics(self) -> dict[str, float]:
        """Return the balanced accuracy and the macro F1, by their names.

        The balanced accuracy is the mean over the classes with images of the share of their images that is classified
        correctly. The macro F1 is the mean of 2 tp / (true + predicted) over the classes that are true or predicted.
        Source: scikit-learn's `balanced_accuracy_score` and `f1_score(average="macro")`.
        """
        if self._counts is None:
            return {}
        true, predicted, both = self._counts.cpu().double()
        recall = (both / true)[true > 0]
        f1 = (2 * both / (true + predicted))[true + predicted > 0]
        return {"balanced_accuracy": recall.mean().item(), "macro_f1": f1.mean().item()}
