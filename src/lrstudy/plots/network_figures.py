"""Figures of a trained network: its first layer's filters, and the activations of its layers on one image."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from torch import Tensor, nn

from lrstudy.figure_layout import FIXED_TITLES
from lrstudy.plots import figures, png
from lrstudy.plots.figures import Activation
from lrstudy.plots.fonts import find_fonts
from lrstudy.training.setup import TrainingSetup

SHOWN_LAYERS = 6
AUGMENTED_IMAGES = 9
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish)


def network_figures(training: TrainingSetup) -> dict[str, bytes]:
    """Draw the network as it is; return PNG files by their paths."""
    data = training.plan.data
    _, side, _, channels = data.images.shape
    layers = activations(training.network, training.validation.batch(torch.arange(1))[0])
    fonts = find_fonts("".join(data.classes))
    classes = [fonts.legible(name) for name in data.classes]
    with fonts.use(), mpl.rc_context(FIXED_TITLES):
        drawn = {
            "first_layer_filters": figures.filters(first_filters(training.network, channels, side)),
            "what_each_layer_sees": figures.activation_maps(data.images[data.validation[0]], layers, classes),
        }
        if training.plan.settings.augment != "none":
            title = f"Nine training images, augment={training.plan.settings.augment}, epoch 1"
            drawn["augmented_images"] = figures.augmented_images(_augmented(training), title)
        return png.png_files(drawn)


def _augmented(training: TrainingSetup) -> np.ndarray:
    """Return nine images of the training split as epoch 1 saw them, uint8 `(9, side, side, channels)`."""
    split = training.train.at_epoch(training.plan.settings.seed, 1)
    images, _ = split.batch(torch.arange(min(AUGMENTED_IMAGES, len(split))))
    normalise = training.classifier.normalise
    pixels = images.permute(0, 2, 3, 1) * normalise.std + normalise.mean
    return pixels.round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def first_filters(network: nn.Module, channels: int, side: int) -> np.ndarray:
    """Return the first layer's weights as images: `(filters, height, width, channels)`."""
    layers = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    first = next(layers, None)
    weights = torch.zeros(1, channels, 1, 1) if first is None else first.weight.detach().cpu()
    if weights.ndim == 2:  # the input of a dense layer is pixels, or features that a user's network computes
        from_pixels = weights.shape[1] == channels * side**2
        weights = weights.reshape(-1, channels, side, side) if from_pixels else weights[:, None, None, :1]
    return weights.permute(0, 2, 3, 1).numpy()


def activations(network: nn.Module, image: Tensor) -> list[Activation]:
    """Return the outputs of up to six layers on one image, evenly chosen from first to last.

    Args:
        network: in evaluation mode.
        image: normalised, float32 `(1, channels, side, side)`.
    """
    outputs: list[Activation] = []

    def record(layer: nn.Module, _: object, output: Tensor) -> None:
        outputs.append(Activation(names[layer], output[0].detach().cpu().numpy().copy()))

    # GoogLeNet and Inception call their activations as functions: the inputs of these are shown instead.
    names = _layer_names(network, ACTIVATIONS) or _layer_names(network, nn.BatchNorm2d)
    hooks = [layer.register_forward_hook(record) for layer in names]
    try:
        with torch.inference_mode():
            logits = network(image)
    finally:
        for hook in hooks:
            hook.remove()
    chosen = np.linspace(0, len(outputs) - 1, min(SHOWN_LAYERS - 1, len(outputs))).round().astype(int)
    return [*(outputs[index] for index in chosen), Activation("logits", logits[0].cpu().numpy())]


def _layer_names(network: nn.Module, kinds: Any) -> dict[nn.Module, str]:
    modules = network.named_modules()
    return {layer: f"{type(layer).__name__} {name}" for name, layer in modules if isinstance(layer, kinds)}
