"""The files of a training with the loss of each image, at the weights of the best epoch.

A file holds the cross-entropies of a data split in nats, float32 `(images,)`, in the order of the split, as NumPy's
`.npy`. All trainings on data with the same digest have the same images in the same order. The mean of `VAL_LOSSES` is
the metric `best/val_loss`, that of `TEST_LOSSES` is `test/loss`.
"""

from __future__ import annotations

import io

import numpy as np

VAL_LOSSES, TEST_LOSSES = "val_losses.npy", "test_losses.npy"


def to_npy(losses: np.ndarray) -> bytes:
    """Return losses as the content of a file."""
    file = io.BytesIO()
    np.save(file, losses.astype(np.float32), allow_pickle=False)
    return file.getvalue()


def from_npy(content: bytes) -> np.ndarray | None:
    """Return the losses in the content of a file, float32 `(images,)`; None if they are damaged."""
    try:
        losses: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # a damaged file fails in many ways
        return None
    is_valid = isinstance(losses, np.ndarray) and losses.dtype == np.float32 and losses.ndim == 1
    return losses if is_valid else None
