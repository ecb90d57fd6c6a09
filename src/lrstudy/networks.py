"""The networks: two of our own, and torchvision's classifiers by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lrstudy.errors import SettingsError
from lrstudy.hardware import memory_bytes

if TYPE_CHECKING:
    from torch import nn

CNN_FIRST_CHANNELS = 16
CNN_MOST_CHANNELS = 128
CNN_LAST_SIDE = 4  # convolutions halve the side until it is no larger
# The weights, their gradients and the weights of the best epoch; most optimizers add one or two more.
MIN_COPIES = 3


@dataclass(frozen=True)
class Shape:
    """What goes into a network and what comes out: images `(N, channels, side, side)`, logits `(N, classes)`."""

    channels: int
    side: int
    classes: int


def build_model(name: str, shape: Shape, hidden: tuple[int, ...]) -> nn.Module:
    """The network called `name`, its weights drawn from torch's global generator.

    Args:
        name: one of `BUILTIN_NETWORKS` or of `torchvision_classifiers()`.
        shape: of its input and output.
        hidden: neurons of the dense layers of our own networks, input side first.

    Raises:
        SettingsError: the network cannot take images so small, or this machine's memory not so large a network.
    """
    if name in BUILTIN_NETWORKS:
        _check_room(name, shape, hidden)
        return BUILTIN_NETWORKS[name](shape, hidden)
    network = _fitting_model(name, shape)
    if network is None:
        size = f"{shape.side}×{shape.side}"
        raise SettingsError(f"model={name}: it takes no images of {size} pixels; {_sides_taken(name, shape)}.")
    return network


def torchvision_classifiers() -> list[str]:
    """The names of torchvision's image classifiers."""
    from torchvision import models

    names: list[str] = models.list_models(module=models)
    return names


def has_batch_norm(network: nn.Module) -> bool:
    """Whether `network` normalises over the batch, and so cannot learn from a batch of one."""
    from torch import nn

    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return any(isinstance(layer, kinds) for layer in network.modules())


def has_convolutions(network: nn.Module) -> bool:
    """Whether `network` has convolutions, which are fastest on images that lie in memory with their channels last."""
    from torch import nn

    return any(isinstance(layer, nn.Conv2d) for layer in network.modules())


def dense_layers(inputs: int, hidden: tuple[int, ...], classes: int) -> list[nn.Module]:
    """Linear layers of `hidden` neurons with ReLU between them, then one of `classes`: `(N, inputs)` to logits."""
    from torch import nn

    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *hidden)):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return [*layers, nn.Linear(hidden[-1], classes)]


def _mlp(shape: Shape, hidden: tuple[int, ...]) -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.Flatten(), *dense_layers(shape.channels * shape.side**2, hidden, shape.classes))


def _cnn(shape: Shape, hidden: tuple[int, ...]) -> nn.Module:
    from torch import nn

    layers: list[nn.Module] = []
    before, after, side = shape.channels, CNN_FIRST_CHANNELS, shape.side
    while not layers or side > CNN_LAST_SIDE:
        layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
        if side > 1:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        before, after = after, min(2 * after, CNN_MOST_CHANNELS)
    return nn.Sequential(*layers, nn.Flatten(), *dense_layers(before * side**2, hidden, shape.classes))


BUILTIN_NETWORKS: dict[str, Callable[[Shape, tuple[int, ...]], nn.Module]] = {"mlp": _mlp, "cnn": _cnn}


def _check_room(name: str, shape: Shape, hidden: tuple[int, ...]) -> None:
    """Refuses a network that is too large to be trained here, which the system would kill this process for."""
    import torch

    with torch.device("meta"):  # where weights have a size and take no memory
        network = BUILTIN_NETWORKS[name](shape, hidden)
    needed = MIN_COPIES * sum(weight.nbytes for weight in network.parameters())
    if needed > (memory := memory_bytes()):
        raise SettingsError(
            f"hidden={','.join(map(str, hidden))}: to train so large a network on images of {shape.side}×{shape.side} "
            f"pixels takes {needed / 2**30:,.0f} GiB of memory or more; this machine has {memory / 2**30:,.0f} GiB."
        )


# What some families must be told besides the number of classes. The auxiliary classifiers of GoogLeNet and Inception
# would each add a loss; without `init_weights` the two warn that its default will change.
_TOLD: dict[str, Callable[[Shape], dict[str, Any]]] = {
    "googlenet": lambda _: {"aux_logits": False, "init_weights": True},
    "inception": lambda _: {"aux_logits": False, "init_weights": True},
    "vit_": lambda shape: {"image_size": shape.side},
    "maxvit": lambda shape: {"input_size": (shape.side, shape.side)},
}
_COMMON_SIDES = (32, 64, 96, 128, 192, 224, 256, 320, 448)


def _torchvision_model(name: str, shape: Shape) -> nn.Module:
    from torchvision import models

    told = {
        key: value for family, tell in _TOLD.items() if name.startswith(family) for key, value in tell(shape).items()
    }
    network: nn.Module = models.get_model(name, weights=None, num_classes=shape.classes, **told)
    _fit_first_layer(network, shape.channels)
    return network


def _fit_first_layer(network: nn.Module, channels: int) -> None:
    """Replaces the first convolution by one that takes `channels` channels, if it takes another number."""
    from torch import nn

    name, first = next((name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d))
    if first.in_channels == channels:
        return
    arguments = {key: getattr(first, key) for key in ("kernel_size", "stride", "padding", "dilation")}
    parent, _, attribute = name.rpartition(".")
    fitted = nn.Conv2d(channels, first.out_channels, bias=first.bias is not None, **arguments)
    setattr(network.get_submodule(parent), attribute, fitted)


def _fitting_model(name: str, shape: Shape) -> nn.Module | None:
    """Torchvision's network, or None if it takes no images of this shape."""
    import torch

    try:
        network = _torchvision_model(name, shape)
        with torch.no_grad(), torch.device("meta"):  # where shapes are worked out and no number is
            copy.deepcopy(network).to("meta").eval()(torch.zeros(2, shape.channels, shape.side, shape.side))
    except (RuntimeError, ValueError, AssertionError):
        return None
    return network


def _sides_taken(name: str, shape: Shape) -> str:
    sides = [str(side) for side in _COMMON_SIDES if _fitting_model(name, replace(shape, side=side))]
    return f"image_size={' or '.join(sides[:3])} would do"
