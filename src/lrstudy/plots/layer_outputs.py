"""The outputs of a network's layers on validation images, and how well each layer separates the classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from lrstudy.training.data_splits import DataSplit
from lrstudy.training.setup import TrainingSetup

MAX_LAYERS = 5
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish)
# The layers that are taken in a network without these, such as a user's own.
WITH_WEIGHTS = (nn.Linear, nn.Conv2d)
# The separation of the classes is measured on this many images of a split, and on five of each class.
MAX_IMAGES, IMAGES_PER_CLASS = 1000, 5
BATCH = 128
# Maps are averaged within this many parts per side before images are compared by them.
POOLED_SIDE = 4


@dataclass(frozen=True, eq=False)
class LayerOutput:
    """The output of a layer on the validation images that were measured.

    Attributes:
        name: of the layer.
        shape: of its output on one image: `(maps, height, width)`, `(tokens, width)` or `(neurons,)`.
        accuracy: the share of the validation images that are nearest to the mean of their own class.
        strengths: the activation of each neuron or map, its mean over the positions, float32 `(images, neurons)`.
        shown: the outputs on the images that are drawn, float32 `(images, *shape)`.
    """

    name: str
    shape: tuple[int, ...]
    accuracy: float
    strengths: np.ndarray
    shown: np.ndarray


@dataclass(frozen=True, eq=False)
class NetworkOutputs:
    """The outputs of a network on the validation split.

    Attributes:
        layers: up to `MAX_LAYERS` of them, evenly chosen from first to last.
        pixels_accuracy: that of the images themselves, as a layer's.
        accuracy: of the network, on the images that were measured.
        probabilities: float32 `(images, classes)`, of the whole split.
        shown: the positions, in the split, of the images that are drawn.
        measured: the number of validation images that were measured, the first ones of the split.
    """

    layers: list[LayerOutput]
    pixels_accuracy: float
    accuracy: float
    probabilities: np.ndarray
    shown: list[int]
    measured: int


def read_outputs(training: TrainingSetup, shown: Sequence[int]) -> NetworkOutputs:
    """Return the outputs of a training's network.

    Args:
        training: whose network is in evaluation mode.
        shown: positions of images in the validation split, to draw the layers' outputs on.
    """
    network, validation = training.network, training.validation
    classes = len(training.plan.data.classes)
    limit = max(MAX_IMAGES, IMAGES_PER_CLASS * classes)
    measured, fitted = min(len(validation), limit), min(len(training.train), limit)
    recorder = _Recorder(network, validation.batch(torch.tensor(shown[:1]))[0])
    means = _ClassMeans(classes)
    for inputs, labels in _batches(training.train, 0, fitted):
        means.add([_pool(inputs), *map(_pool, recorder.run(inputs)[0])], labels)
    logits, correct, strengths = [], torch.zeros(1 + len(recorder.names), dtype=torch.int64), []
    for inputs, labels in _batches(validation, 0, measured):
        outputs, batch_logits = recorder.run(inputs)
        correct += means.count_nearest([_pool(inputs), *map(_pool, outputs)], labels)
        strengths.append([_strength(output) for output in outputs])
        logits.append(batch_logits.cpu())
    with torch.inference_mode():
        for inputs, _ in _batches(validation, measured, len(validation)):
            logits.append(network(inputs).cpu())
        drawn, _ = recorder.run(validation.batch(torch.tensor(shown))[0])
    accuracies = (correct / measured).tolist()
    layers = [
        LayerOutput(
            name,
            tuple(output.shape[1:]),
            accuracy,
            np.concatenate([of_batch[index] for of_batch in strengths]),
            output.float().cpu().numpy(),
        )
        for index, (name, output, accuracy) in enumerate(zip(recorder.names, drawn, accuracies[1:], strict=True))
    ]
    probabilities = torch.cat(logits).float().softmax(1).numpy()
    labels = training.plan.data.labels[training.plan.data.validation]
    accuracy = float((probabilities[:measured].argmax(1) == labels[:measured]).mean())
    return NetworkOutputs(layers, accuracies[0], accuracy, probabilities, list(shown), measured)


def _batches(split: DataSplit, start: int, stop: int) -> Iterator[tuple[Tensor, Tensor]]:
    for first in range(start, stop, BATCH):
        yield split.batch(torch.arange(first, min(first + BATCH, stop)))


class _Recorder:
    """A recorder of the outputs of chosen layers; a layer that is called several times counts as several."""

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        self._network = network
        # GoogLeNet and Inception call their activations as functions: the inputs of these are taken instead.
        self._layers = (
            _layer_names(network, ACTIVATIONS)
            or _layer_names(network, nn.BatchNorm2d)
            or dict(list(_layer_names(network, WITH_WEIGHTS).items())[:-1])  # the last one's outputs are the logits
        )
        with self._recording() as found, torch.inference_mode():
            network(image)
        count = min(MAX_LAYERS, len(found))
        self._chosen = np.linspace(0, len(found) - 1, count).round().astype(int).tolist()
        self.names = [found[index][0] for index in self._chosen]

    def run(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the outputs of the chosen layers on a batch, and its logits."""
        with self._recording() as found, torch.inference_mode():
            logits = self._network(images)
        return [_channels_first(found[index][1]) for index in self._chosen], logits

    @contextmanager
    def _recording(self) -> Iterator[list[tuple[str, Tensor]]]:
        found: list[tuple[str, Tensor]] = []

        def record(layer: nn.Module, _: object, output: Tensor) -> None:
            found.append((self._layers[layer], output.detach().clone()))

        hooks = [layer.register_forward_hook(record) for layer in self._layers]
        try:
            yield found
        finally:
            for hook in hooks:
                hook.remove()


def _layer_names(network: nn.Module, kinds: Any) -> dict[nn.Module, str]:
    modules = network.named_modules()
    return {layer: f"{type(layer).__name__} {name}" for name, layer in modules if isinstance(layer, kinds)}


def _channels_first(output: Tensor) -> Tensor:
    """Return maps with their channels first; some networks, such as Swin and ConvNeXt, keep them last."""
    if output.ndim == 4 and output.shape[1] == output.shape[2] != output.shape[3]:
        return output.permute(0, 3, 1, 2)
    return output


def _pool(output: Tensor) -> Tensor:
    """Return an output as a row of numbers per image, maps averaged within a few parts."""
    if output.ndim == 4 and output.shape[-1] > POOLED_SIDE and output.shape[1] > 4:
        output = adaptive_avg_pool2d(output, POOLED_SIDE)
    elif output.ndim == 3:
        output = output.mean(1)
    return output.flatten(1).float()


def _strength(output: Tensor) -> np.ndarray:
    """Return the mean of each map or token's number over the positions, `(images, neurons)`."""
    if output.ndim > 2:
        output = output.mean((2, 3)) if output.ndim == 4 else output.mean(1)
    return output.float().cpu().numpy()


class _ClassMeans:
    """The means of several kinds of rows per class, and the nearest of them."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._sums: list[Tensor] = []
        self._counts = torch.zeros(classes)

    def add(self, rows: Sequence[Tensor], labels: Tensor) -> None:
        """Add images by their rows, one per kind."""
        if not self._sums:
            self._sums = [torch.zeros(self._classes, of_kind.shape[1], device=of_kind.device) for of_kind in rows]
            self._counts = self._counts.to(labels.device)
        for sums, of_kind in zip(self._sums, rows, strict=True):
            sums.index_add_(0, labels, of_kind)
        self._counts += torch.bincount(labels, minlength=self._classes)

    def count_nearest(self, rows: Sequence[Tensor], labels: Tensor) -> Tensor:
        """Return, per kind, how many images are nearest to the mean of their own class."""
        absent = self._counts == 0
        counts = []
        for sums, of_kind in zip(self._sums, rows, strict=True):
            distances = torch.cdist(of_kind, sums / self._counts.clamp(min=1)[:, None])
            distances[:, absent] = torch.inf
            counts.append(int((distances.argmin(1) == labels).sum()))
        return torch.tensor(counts)
