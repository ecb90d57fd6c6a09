"""The layers of a trained network on several images, and the images that it misclassifies."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from functools import cached_property

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from lrstudy.figure_layout import FIXED_TITLES
from lrstudy.formatting import pluralize
from lrstudy.plots import figures, layer_figures, png
from lrstudy.plots.fonts import Fonts, find_fonts
from lrstudy.plots.layer_captions import caption, describe_size
from lrstudy.plots.layer_figures import MIN_FILTER_SIDE, ShownImage
from lrstudy.plots.layer_outputs import LayerOutput, NetworkOutputs, read_outputs
from lrstudy.server_names import LAYERS, MISTAKES
from lrstudy.training.setup import TrainingSetup

AUGMENTED_IMAGES = 9
SHOWN_IMAGES = 4
MAX_MISTAKES = 24
# Thumbnails have at most this many pixels on a side, and about as many where the image has fewer.
THUMBNAIL_SIDE = 96


def network_figures(training: TrainingSetup, title: str) -> dict[str, bytes]:
    """Draw the network as it is; return PNG files, and JSON files for the report, by their paths.

    Args:
        training: whose network is in evaluation mode.
        title: the data, the network and the training.
    """
    data = training.plan.data
    fonts = find_fonts("".join([title, *data.classes]))
    outputs = read_outputs(training, _positions_of_several_classes(data.labels[data.validation]))
    images = ValidationImages(training, outputs, fonts)
    with fonts.use(), mpl.rc_context(FIXED_TITLES):
        files = png.png_files(_layer_figures(fonts.legible(title), training, outputs, images), "figures/layers")
        wrong = images.mistakes[:MAX_MISTAKES]
        named = {"mistakes": _mistakes_figure(fonts.legible(title), images, wrong)}
        if training.plan.settings.augment != "none":
            heading = f"Nine training images, augment={training.plan.settings.augment}, epoch 1"
            named["augmented_images"] = figures.augmented_images(_augmented(training), heading)
        files |= png.png_files(named)
    return files | {LAYERS: _layers_file(outputs, images), MISTAKES: _mistakes_file(images, wrong)}


class ValidationImages:
    """The images of the validation split with their true and predicted classes."""

    def __init__(self, training: TrainingSetup, outputs: NetworkOutputs, fonts: Fonts) -> None:
        self._data = training.plan.data
        self._fonts = fonts
        self.names = tuple(self._data.classes)
        self.true = self._data.labels[self._data.validation]
        self.predicted = outputs.probabilities.argmax(1)
        self.confidences = outputs.probabilities.max(1)

    def __len__(self) -> int:
        return len(self.true)

    def image(self, position: int) -> ShownImage:
        """Return an image by its position in the split."""
        pixels = np.asarray(self._data.images[self._data.validation[position]])
        classes = (self.names[classes[position]] for classes in (self.true, self.predicted))
        return ShownImage(pixels, *map(self._fonts.legible, classes))

    @cached_property
    def mistakes(self) -> list[int]:
        """The positions of the misclassified images, the most confident first."""
        wrong = np.flatnonzero(self.predicted != self.true)
        positions: list[int] = wrong[np.argsort(-self.confidences[wrong], kind="stable")].tolist()
        return positions


def _positions_of_several_classes(labels: np.ndarray) -> list[int]:
    """Return the positions of a few images, of as many classes as possible, evenly chosen."""
    present = np.unique(labels)
    classes = present[np.linspace(0, len(present) - 1, min(SHOWN_IMAGES, len(present))).round().astype(int)]
    by_class = [np.flatnonzero(labels == one).tolist() for one in classes]
    rounds = [positions[place] for place in range(SHOWN_IMAGES) for positions in by_class if place < len(positions)]
    return sorted(rounds[:SHOWN_IMAGES], key=lambda position: (int(labels[position]), position))


def _layer_figures(
    title: str, training: TrainingSetup, outputs: NetworkOutputs, images: ValidationImages
) -> dict[str, Figure]:
    """Return a figure per layer, by its number: maps on the shown images, or the images that excite a neuron most."""
    shown = [images.image(position) for position in outputs.shown]
    drawn = {}
    for number, layer in enumerate(outputs.layers, 1):
        heading = f"{title}\nlayer {number} of {len(outputs.layers)}, {layer.name}: {describe_size(layer.shape)}"
        weights = _first_weights(training) if number == 1 else None
        if len(layer.shape) == 3:
            drawn[f"{number}"] = layer_figures.maps_figure(heading, shown, layer, _filters(weights, layer))
        else:
            templates = _templates(weights, layer, shown[0].pixels.shape)
            drawn[f"{number}"] = layer_figures.neurons_figure(heading, layer, images.image, templates)
    return drawn


def _first_weights(training: TrainingSetup) -> np.ndarray | None:
    """Return the weights of the first convolution or dense layer, if there is one."""
    layers = (layer for layer in training.network.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    first = next(layers, None)
    return None if first is None else first.weight.detach().cpu().numpy()


def _filters(weights: np.ndarray | None, layer: LayerOutput) -> np.ndarray | None:
    """Return the filters of the first layer as images, if they are its own and large enough to show something."""
    if weights is None or weights.ndim != 4 or len(weights) != layer.shape[0] or weights.shape[2] < MIN_FILTER_SIDE:
        return None
    return weights.transpose(0, 2, 3, 1)


def _templates(weights: np.ndarray | None, layer: LayerOutput, image_shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the weights of a dense layer as images, if its input is the pixels."""
    side, _, channels = image_shape
    if weights is None or weights.shape != (layer.shape[-1], channels * side**2):
        return None
    return weights.reshape(-1, channels, side, side).transpose(0, 2, 3, 1)


def _mistakes_figure(title: str, images: ValidationImages, wrong: Sequence[int]) -> Figure:
    total = len(images.mistakes)
    heading = f"{title}: {total} of {pluralize(len(images), 'validation image')} misclassified"
    shown = [images.image(position) for position in wrong]
    return layer_figures.mistakes_figure(heading, shown, [float(images.confidences[one]) for one in wrong])


def _layers_file(outputs: NetworkOutputs, images: ValidationImages) -> bytes:
    count = len(outputs.layers)
    return _json(
        {
            "images": outputs.measured,
            "pixels_accuracy": outputs.pixels_accuracy,
            "accuracy": outputs.accuracy,
            "shown": [
                {"true": images.names[images.true[one]], "predicted": images.names[images.predicted[one]]}
                for one in outputs.shown
            ],
            "layers": [
                {
                    "name": layer.name,
                    "size": describe_size(layer.shape),
                    "neurons": math.prod(layer.shape),
                    "accuracy": layer.accuracy,
                    "caption": caption(layer.shape, number, count),
                    "figure": f"figures/layers/{number}.png",
                }
                for number, layer in enumerate(outputs.layers, 1)
            ],
        }
    )


def _mistakes_file(images: ValidationImages, wrong: Sequence[int]) -> bytes:
    return _json(
        {
            "images": len(images),
            "misclassified": len(images.mistakes),
            "shown": [
                {
                    "true": images.names[images.true[one]],
                    "predicted": images.names[images.predicted[one]],
                    "confidence": float(images.confidences[one]),
                    "png": _thumbnail(images.image(one).pixels),
                }
                for one in wrong
            ],
        }
    )


def _thumbnail(pixels: np.ndarray) -> str:
    """Return an image as a small PNG file in base64."""
    enlarged = np.kron(pixels, np.ones((max(1, THUMBNAIL_SIDE // len(pixels)),) * 2 + (1,), np.uint8))
    image = Image.fromarray(enlarged if pixels.shape[2] == 3 else enlarged[..., 0])
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    file = io.BytesIO()
    image.save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _augmented(training: TrainingSetup) -> np.ndarray:
    """Return nine images of the training split as epoch 1 saw them, uint8 `(9, side, side, channels)`."""
    split = training.train.at_epoch(training.plan.settings.seed, 1)
    images, _ = split.batch(torch.arange(min(AUGMENTED_IMAGES, len(split))))
    normalise = training.classifier.normalise
    pixels = images.permute(0, 2, 3, 1) * normalise.std + normalise.mean
    return pixels.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
