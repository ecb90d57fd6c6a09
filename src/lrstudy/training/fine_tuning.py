"""Fine-tuning: pretrained weights for all layers but the last, which is new for the classes of the data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from lrstudy.errors import SettingsError
from lrstudy.formatting import join_and, quote, setting_error
from lrstudy.pretrained import PretrainedWeights
from lrstudy.settings import TrainSettings

MAX_NAMED = 4
# Classifiers of GoogLeNet's and Inception's that this project does not build.
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# Layers of DenseNet have one dot more in torchvision's files than in its networks.
OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")


def fine_tune(
    network: nn.Module, weights: PretrainedWeights, settings: TrainSettings, classes: int
) -> list[nn.Parameter] | list[dict[str, Any]]:
    """Load pretrained weights into `network`, except its new last layer; return the weights to train.

    Freeze the backbone, which is all but the last layer, if the settings say so.

    Returns:
        The weights to train, or the groups of an optimizer: that of the backbone, then that of the last layer.

    Raises:
        SettingsError: the pretrained weights do not fit the network.
    """
    head_name = find_head(network, classes)
    if head_name is None:
        problem = f"cannot be used: model={quote(settings.model)} has no last layer of {classes} outputs to replace."
        raise SettingsError(setting_error("weights", weights.text, problem))
    load_backbone(network, weights, head_name)
    head = list(network.get_submodule(head_name).parameters())
    in_head = {id(weight) for weight in head}
    backbone = [weight for weight in network.parameters() if id(weight) not in in_head]
    if settings.freeze == "backbone":
        for weight in backbone:
            weight.requires_grad_(False)
        return head
    if settings.head_lr == 1:
        return list(network.parameters())
    groups: list[dict[str, Any]] = [{"params": backbone}, {"params": head, "lr": settings.lr * settings.head_lr}]
    return groups


def find_head(network: nn.Module, classes: int) -> str | None:
    """Return the name of the last layer, linear or a convolution, that has an output for each class."""
    names = [
        name
        for name, layer in network.named_modules()
        if (isinstance(layer, nn.Linear) and layer.out_features == classes)
        or (isinstance(layer, nn.Conv2d) and layer.out_channels == classes)
    ]
    return names[-1] if names else None


def load_backbone(network: nn.Module, weights: PretrainedWeights, head: str) -> None:
    """Load pretrained weights into all layers of `network` but the one called `head`.

    Filters of a first layer for three channels are summed over the channels if the network takes grey images: grey
    images then have the activations of the same images on three equal channels.

    Raises:
        SettingsError: the network has other layers than the file, or layers of other shapes.
    """
    own = {name: value for name, value in network.state_dict().items() if not name.startswith(f"{head}.")}
    state = _renamed(weights.state, head)
    if (first := _first_filters(network)) in state:
        state[first] = _for_channels(state[first], own[first].shape[1])
    state = _at_size(network, state)
    _check_fit(weights, own, state)
    with torch.no_grad():
        for name, value in state.items():
            own[name].copy_(value)


def _renamed(state: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    """Return the weights of the file by the names of the network, without those of its last layer."""
    left_out = (f"{head}.", *AUXILIARY)
    return {OLD_DENSENET.sub(r"\1\2", name): value for name, value in state.items() if not name.startswith(left_out)}


def _first_filters(network: nn.Module) -> str | None:
    modules = network.named_modules()
    return next((f"{name}.weight" for name, layer in modules if isinstance(layer, nn.Conv2d)), None)


def _for_channels(filters: Tensor, channels: int) -> Tensor:
    """Return the filters `(filters, 3, height, width)` for grey images if there is one channel."""
    is_for_colour = filters.ndim == 4 and filters.shape[1] == 3
    return filters.sum(1, keepdim=True) if is_for_colour and channels == 1 else filters


def _at_size(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights with a vision transformer's embeddings of positions interpolated to the size of the images."""
    from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    if isinstance(network, VisionTransformer) and "encoder.pos_embedding" in state:
        with suppress(ValueError):  # of another form: the shapes will not fit
            return dict(interpolate_embeddings(network.image_size, network.patch_size, state))
    return state


def _check_fit(weights: PretrainedWeights, own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Raise SettingsError, naming the layers, if the network has other weights than the file.

    Old files lack the counters of batch normalisation, which no training reads.
    """
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    surplus = [name for name in state if name not in own]
    differing = [name for name in own if name in state and own[name].shape != state[name].shape]
    problems = [f"the file lacks {_layers(missing)}"] if missing else []
    if surplus:
        problems.append(f"the network lacks {_layers(surplus)}")
    if differing:
        shapes = [f"{_shape(state[name])} in the file and {_shape(own[name])} in the network" for name in differing]
        problems.append(f"the shapes of {_layers(differing)} differ ({differing[0]}: {shapes[0]})")
    if problems:
        problem = f"does not fit model={quote(weights.model)}: {'; '.join(problems)}."
        raise SettingsError(setting_error("weights", weights.text, problem))


def _layers(names: Iterable[str]) -> str:
    """Return the first layers that these weights belong to, and how many more there are."""
    layers = list(dict.fromkeys(name.rpartition(".")[0] or name for name in names))
    return join_and(layers[:MAX_NAMED], len(layers))


def _shape(weight: Tensor) -> str:
    return "×".join(map(str, weight.shape)) or "a number"
