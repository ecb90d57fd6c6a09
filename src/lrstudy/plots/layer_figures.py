"""Figures of a network's layers: maps on several images, and the images that excite a neuron most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrstudy.plots.layer_outputs import LayerOutput

WIDTH = 4.8  # inches
MAPS, NEURONS, IMAGES_PER_NEURON = 6, 6, 6
# The gap between tiles as a share of their side.
GAP = 0.08
# Filters smaller than this look like confetti.
MIN_FILTER_SIDE = 5
LABEL_CHARACTERS, LABEL_SIZE = 14, 8.0
# Of the room to the left, letters take this share: smaller ones are not narrower in proportion.
LABEL_ROOM = 0.9
# Legible on light and on dark pages, since the figures have no background of their own.
TEXT = "#7a7a7a"


@dataclass(frozen=True, eq=False)
class ShownImage:
    """An image that is drawn, uint8 `(side, side, channels)`, with its true and its predicted class."""

    pixels: np.ndarray
    true: str
    predicted: str

    @property
    def label(self) -> str:
        """The class, or `true → predicted` where they differ."""
        true, predicted = (_shortened(name) for name in (self.true, self.predicted))
        return true if self.true == self.predicted else f"{true}\n→ {predicted}"


def maps_figure(title: str, images: Sequence[ShownImage], layer: LayerOutput, filters: np.ndarray | None) -> Figure:
    """Draw a row per image: the image, and the maps of the layer that vary most.

    Args:
        title: of the figure.
        images: those of `layer.shown`.
        layer: whose output are maps.
        filters: of the layer, float `(maps, height, width, channels)`, to stand above the maps; None for none.
    """
    chosen = _most_varied(layer.shown.std(axis=(2, 3)).mean(0) + layer.strengths.std(0), MAPS)
    rows = [
        [_unit(image.pixels), *(_stretch(maps[index]) for index in chosen)]
        for image, maps in zip(images, layer.shown, strict=True)
    ]
    labels = [image.label for image in images]
    if filters is not None:
        blank = np.full((*filters.shape[1:3], 3), np.nan)
        rows.insert(0, [blank, *(_stretch(filters[index]) for index in chosen)])
        labels.insert(0, "filter")
    return _tiles(title, rows, labels)


def neurons_figure(
    title: str,
    layer: LayerOutput,
    image: Callable[[int], ShownImage],
    templates: np.ndarray | None,
) -> Figure:
    """Draw a row per neuron, those that vary most: the validation images that excite it most.

    Args:
        title: of the figure.
        layer: whose strengths choose the images.
        image: returns an image by its position in the validation split.
        templates: the weights of the layer as images, float `(neurons, side, side, channels)`, if it is on pixels.
    """
    rows, labels = [], []
    for neuron in _most_varied(layer.strengths.std(0), NEURONS):
        top = np.argsort(-layer.strengths[:, neuron], kind="stable")[:IMAGES_PER_NEURON]
        images = [image(int(index)) for index in top]
        weights = [] if templates is None else [_diverging(templates[neuron])]
        rows.append([*weights, *(_unit(one.pixels) for one in images)])
        labels.append("\n".join(_commonest([_shortened(one.true) for one in images])))
    return _tiles(title, rows, labels)


def mistakes_figure(title: str, images: Sequence[ShownImage], confidences: Sequence[float]) -> Figure:
    """Draw misclassified images with their labels, in rows."""
    columns = 6
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(1.25 * columns, 0.4 + 1.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, image, confidence in zip(panels, images, confidences, strict=False):
        axes.imshow(_unit(image.pixels), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(f"{image.label}\n{confidence:.0%}", fontsize=8, parse_math=False)
    figure.suptitle(title, fontsize=10, parse_math=False)
    return figure


def _commonest(names: Sequence[str]) -> list[str]:
    """Return the commonest of some names, and how many there are of it."""
    name = max(names, key=names.count)
    return [name, f"{names.count(name)} of {len(names)}"]


def _most_varied(spread: np.ndarray, count: int) -> list[int]:
    order: list[int] = np.argsort(-spread, kind="stable")[:count].tolist()
    return order


def _tiles(title: str, rows: Sequence[Sequence[np.ndarray]], labels: Sequence[str]) -> Figure:
    """Draw tiles in rows, each row with its label to the left."""
    columns = max(map(len, rows))
    side = max(tile.shape[0] for row in rows for tile in row)
    gap = max(1, round(GAP * side))
    step = side + gap
    canvas = np.ones((len(rows) * step - gap, columns * step - gap, 4))
    canvas[..., 3] = 0
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            canvas[y * step : y * step + side, x * step : x * step + side] = _enlarge(tile, side)
    label_width = 0.95
    height = (WIDTH - label_width) * canvas.shape[0] / canvas.shape[1]
    figure = Figure(figsize=(WIDTH, height + 0.35))
    figure.patch.set_alpha(0)
    axes = figure.add_axes((label_width / WIDTH, 0.0, 1 - label_width / WIDTH, height / (height + 0.35)))
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    _draw_labels(axes, [1 - (y * step + side / 2) / canvas.shape[0] for y in range(len(rows))], labels)
    figure.text(0.01, 1 - 0.06 / (height + 0.35), title, fontsize=9, va="top", color=TEXT, parse_math=False)
    return figure


def _draw_labels(axes: Axes, heights: Sequence[float], labels: Sequence[str]) -> None:
    """Draw labels to the left of the axes, in letters that are small enough for the room there."""
    for height, label in zip(heights, labels, strict=True):
        text = axes.text(-0.02, height, label, transform=axes.transAxes, ha="right", va="center", color=TEXT)
        text.set(fontsize=LABEL_SIZE, parse_math=False)
        extent = text.get_window_extent()
        text.set_fontsize(LABEL_SIZE * min(1.0, LABEL_ROOM * extent.x1 / extent.width))


def _shortened(name: str) -> str:
    return name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS - 1]}…"


def _enlarge(tile: np.ndarray, side: int) -> np.ndarray:
    """Return a tile, `(height, width)` or with three channels, as RGBA of `side` pixels."""
    rgb = tile if tile.ndim == 3 else np.repeat(tile[..., None], 3, axis=2)
    down, right = (np.arange(side) * length // side for length in rgb.shape[:2])
    enlarged = rgb[down][:, right]
    alpha = np.isfinite(enlarged).all(axis=2, keepdims=True)
    return np.concatenate([np.nan_to_num(enlarged, nan=1.0), alpha], axis=2)


def _unit(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 pixels as numbers from 0 to 1: in three channels, or their mean."""
    image: np.ndarray = pixels / 255
    return image if image.shape[2] == 3 else image.mean(axis=2)


def _stretch(values: np.ndarray) -> np.ndarray:
    """Scale `values` to 0 to 1; values that are not finite become 0; unless there are three channels, their mean."""
    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if finite.ndim == 3 and finite.shape[2] != 3:
        finite = finite.mean(axis=2)
    span = np.ptp(finite)
    return (finite - finite.min()) / span if span > 0 else np.zeros_like(finite)


def _diverging(weights: np.ndarray) -> np.ndarray:
    """Return weights as colours: the mean over the channels, red where positive, blue where negative."""
    values = weights.mean(axis=2)
    share = values / max(float(np.abs(values).max()), 1e-30)
    up, down = np.clip(share, 0, 1), np.clip(-share, 0, 1)
    return np.stack([1 - down, 1 - np.maximum(up, down), 1 - up], axis=2)
