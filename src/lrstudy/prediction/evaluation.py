"""Compare predictions with the true classes of the files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def describe_scores(true: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> str:
    """Return lines with the accuracy, the balanced accuracy and the confusion matrix.

    The balanced accuracy is the mean over the classes with images of the share of their images that is classified
    correctly, as scikit-learn's `balanced_accuracy_score`.

    Args:
        true: numbers of the true classes, int64 `(n,)`.
        predicted: numbers of the predicted classes, int64 `(n,)`.
        classes: the names.
    """
    # Not by scikit-learn, whose import takes longer than many predictions.
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (true, predicted), 1)
    images, right = counts.sum(axis=1), counts.diagonal()
    balanced = (right[images > 0] / images[images > 0]).mean()
    scores = f"accuracy {right.sum() / len(true):.1%}, balanced accuracy {balanced:.1%} (n={len(true)})"
    return "\n".join([scores, *_matrix(counts, classes)])


def describe_counts(predicted: np.ndarray, classes: Sequence[str]) -> str:
    """Return a line with the number of images per predicted class, the most frequent one first."""
    counts = np.bincount(predicted, minlength=len(classes))
    order = np.argsort(-counts, kind="stable")
    return "predicted: " + ", ".join(f"{classes[number]} ({counts[number]})" for number in order if counts[number])


def _matrix(counts: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return the lines of a confusion matrix; columns have the numbers of the classes, for names are long."""
    numbers = [str(number) for number in range(1, len(classes) + 1)]
    names = [f"{number} {name}" for number, name in zip(numbers, classes, strict=True)]
    left = max(map(len, names))
    width = max(len(str(text)) for text in (*numbers, counts.max()))
    title = "confusion matrix: a row per true class, a column per predicted class"
    header = " ".join([" " * left, *(number.rjust(width) for number in numbers)])
    rows = [
        " ".join([name.ljust(left), *(str(count).rjust(width) for count in row)])
        for name, row in zip(names, counts.tolist(), strict=True)
    ]
    return [title, header, *rows]
