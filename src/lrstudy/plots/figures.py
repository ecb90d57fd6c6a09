"""Figures of one training: data in, figure out; nothing is read and nothing is saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrstudy.formatting import truncate
from lrstudy.training.epoch import Epoch

# Okabe and Ito's colours, which colour-blind readers can distinguish.
TRAIN_COLOUR, VALIDATION_COLOUR, LR_COLOUR = "#0072B2", "#D55E00", "#009E73"
MAX_NAMED_CLASSES = 40
MAX_COUNTED_CLASSES = 20


def loss_curves(history: Sequence[Epoch], best: Epoch, title: str) -> Figure:
    """Draw losses and accuracies of training and validation per epoch; mark the best epoch.

    If the learning rate changes, draw it as well.
    """
    lrs = [epoch.learning_rate for epoch in history]
    changes = len({lr for lr in lrs if math.isfinite(lr)}) > 1
    figure = Figure(figsize=(14 if changes else 10, 4), layout="constrained")
    loss, accuracy, *others = figure.subplots(1, 3 if changes else 2)
    epochs = [epoch.epoch for epoch in history]
    for axes, kind in ((loss, "loss"), (accuracy, "accuracy")):
        for part, label, colour in (
            ("train", "training", TRAIN_COLOUR),
            ("val", "validation", VALIDATION_COLOUR),
        ):
            values = [getattr(epoch, f"{part}_{kind}") for epoch in history]
            axes.plot(
                epochs,
                values,
                color=colour,
                label=label,
                marker="o" if len(epochs) < 12 else None,
                markersize=3,
            )
        axes.axvline(best.epoch, color="0.6", linewidth=1, linestyle=":", zorder=0)
    if _spans_decades(history):
        loss.set_yscale("log")
    loss.set_ylabel("cross-entropy loss (nats)")
    loss.legend(frameon=False)
    accuracy.set_ylabel("accuracy")
    accuracy.set_ylim(0, 1.02)
    accuracy.text(best.epoch, 0.02, f" best epoch {best.epoch}", color="0.35", ha=_alignment(best.epoch, epochs[-1]))
    for axes in others:
        axes.plot(epochs, lrs, color=LR_COLOUR)
        axes.set_ylabel("learning rate at the end of the epoch")
        axes.set_ylim(0, None)
    for axes in figure.axes:
        axes.set_xlabel("epoch")
        axes.locator_params(axis="x", integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, parse_math=False)
    return figure


def augmented_images(images: np.ndarray, title: str) -> Figure:
    """Draw nine images as training saw them, uint8 `(9, side, side, channels)`, in three rows."""
    figure = Figure(figsize=(6, 6.4), layout="constrained")
    axes = figure.subplots()
    _mosaic(axes, images / 255)
    axes.set_title(title)
    return figure


def confusion(counts: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draw counts of images by true class (rows) and predicted class (columns), shaded by the share of their row."""
    size = min(16, 3.5 + 0.45 * len(classes))
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, label="share of the true class", shrink=0.8)
    if len(classes) <= MAX_COUNTED_CLASSES:
        for row, column in zip(*np.nonzero(counts), strict=True):
            style: dict[str, Any] = {"color": "white" if shares[row, column] > 0.5 else "black", "fontsize": 9}
            count = axes.text(column, row, str(counts[row, column]), ha="center", va="center", **style)
            count.set_in_layout(False)  # it needs no room beside the axes
    if len(classes) <= MAX_NAMED_CLASSES:
        names = distinct_labels(classes)
        axes.set_xticks(range(len(classes)), names, parse_math=False, **_tick_rotation(names))
        axes.set_yticks(range(len(classes)), names, parse_math=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title("Validation split", fontsize=10)
    figure.suptitle(title, parse_math=False, fontsize=10, wrap=True)
    return figure


def _mosaic(axes: Axes, tiles: np.ndarray) -> None:
    """Draw tiles `(n, height, width, channels)` in rows, with a white gap between them."""
    columns = int(np.ceil(np.sqrt(len(tiles))))
    gap = max(1, tiles.shape[1] // 16)
    padded = np.pad(tiles, ((0, -len(tiles) % columns), (0, gap), (0, gap), (0, 0)), constant_values=1.0)
    n, height, width, channels = padded.shape
    rows = padded.reshape(n // columns, columns, height, width, channels).swapaxes(1, 2)
    _show(axes, rows.reshape(n // columns * height, columns * width, channels))


def _show(axes: Axes, image: np.ndarray) -> None:
    """Draw an image of values from 0 to 1; unless it has three channels, draw their mean."""
    if image.shape[2] != 3:
        image = image.mean(axis=2)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()


def _spans_decades(history: Sequence[Epoch]) -> bool:
    losses = np.array([(epoch.train_loss, epoch.val_loss) for epoch in history])
    positive = losses[np.isfinite(losses) & (losses > 0)]
    return bool(positive.size and positive.max() > 100 * positive.min())


def distinct_labels(names: Sequence[str]) -> list[str]:
    """Return names as short as a figure has room for; those that become equal get the numbers of their classes."""
    labels = [truncate(name) for name in names]
    return [
        truncate(f"{number} {name}") if labels.count(label) > 1 else label
        for number, (label, name) in enumerate(zip(labels, names, strict=True))
    ]


def _tick_rotation(classes: Sequence[str]) -> dict[str, Any]:
    if max(map(len, classes)) <= 2:
        return {}
    return {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}


def _alignment(epoch: int, last: int) -> str:
    return "right" if epoch > last / 2 else "left"
