"""The networks: a table of the project's own, and torchvision's classifiers by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lrstudy.errors import SettingsError
from lrstudy.formatting import did_you_mean, quote, setting_error
from lrstudy.hardware import memory_bytes
from lrstudy.user_code import FileReference, file_reference, import_package, package_reference, user_errors

if TYPE_CHECKING:
    from torch import nn

CNN_FIRST_CHANNELS = 16
CNN_MAX_CHANNELS = 128
CNN_LAST_SIDE = 4  # convolutions halve the side until it is at most this
# The weights, their gradients and the best epoch's weights; most optimizers add one or two more.
MIN_COPIES = 3


@dataclass(frozen=True)
class Shape:
    """The shape of a network's inputs, `(N, channels, side, side)`, and of its logits, `(N, classes)`."""

    channels: int
    side: int
    classes: int


def build_model(name: str, shape: Shape, hidden: tuple[int, ...]) -> nn.Module:
    """Return the network called `name`, with weights drawn from torch's global generator.

    Args:
        name: one of `BUILTIN_NETWORKS` or of `torchvision_classifiers()`, `timm:NAME`, or `path/to/file.py:function`
            with a function `(channels, side, classes) -> nn.Module`.
        shape: of its inputs and outputs.
        hidden: neurons of the dense layers of the project's own networks, input side first.

    Raises:
        SettingsError: the images are too small for the network, the network is too large for the machine's memory, or
            the user's code fails.
    """
    if reference := file_reference("model", name):
        return _user_model(reference, shape)
    if package := package_reference(name):
        return _timm_model(name, *package, shape)
    if name in BUILTIN_NETWORKS:
        _check_memory(name, shape, hidden)
        return BUILTIN_NETWORKS[name](shape, hidden)
    network = _fitting_model(name, shape)
    if network is None:
        problem = f"does not accept images of {shape.side}×{shape.side} pixels; use image_size={_sides(name, shape)}."
        raise SettingsError(setting_error("model", name, problem))
    return network


def torchvision_classifiers() -> list[str]:
    """Return the names of torchvision's image classifiers."""
    from torchvision import models

    names: list[str] = models.list_models(module=models)
    return names


def has_batch_norm(network: nn.Module) -> bool:
    """Return whether `network` normalises over the batch, and so cannot learn from a batch of one."""
    from torch import nn

    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return any(isinstance(layer, kinds) for layer in network.modules())


def has_convolutions(network: nn.Module) -> bool:
    """Return whether `network` has convolutions, which are fastest on images with their channels last in memory."""
    from torch import nn

    return any(isinstance(layer, nn.Conv2d) for layer in network.modules())


def dense_layers(inputs: int, hidden: tuple[int, ...], classes: int) -> list[nn.Module]:
    """Return linear layers of `hidden` neurons, ReLU after each, then one of `classes`: `(N, inputs)` to logits."""
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
        before, after = after, min(2 * after, CNN_MAX_CHANNELS)
    return nn.Sequential(*layers, nn.Flatten(), *dense_layers(before * side**2, hidden, shape.classes))


BUILTIN_NETWORKS: dict[str, Callable[[Shape, tuple[int, ...]], nn.Module]] = {"mlp": _mlp, "cnn": _cnn}


def _check_memory(name: str, shape: Shape, hidden: tuple[int, ...]) -> None:
    """Reject a network that is too large to train here: the system would kill this process."""
    import torch

    with torch.device("meta"):  # where weights have a size but take no memory
        network = BUILTIN_NETWORKS[name](shape, hidden)
    needed = MIN_COPIES * sum(weight.nbytes for weight in network.parameters())
    if needed > (memory := memory_bytes()):
        problem = (
            f"makes a network that takes {needed / 2**30:,.0f} GiB of memory or more to train on images of "
            f"{shape.side}×{shape.side} pixels; this machine has {memory / 2**30:,.0f} GiB."
        )
        raise SettingsError(setting_error("hidden", hidden, problem))


def _user_model(reference: FileReference, shape: Shape) -> nn.Module:
    """Return the network that a user's function builds, after a trial with two images."""
    with user_errors("model", reference.text, "cannot build the network"):
        network = reference.load()(shape.channels, shape.side, shape.classes)
    return _tried(reference.text, network, shape)


def _timm_model(name: str, package: str, model: str, shape: Shape) -> nn.Module:
    """Return a network of timm, with its initial weights, after a trial with two images."""
    if package != "timm":
        problem = "must be a network of this project, of torchvision, timm:NAME, or path/to/file.py:function."
        raise SettingsError(setting_error("model", name, problem))
    timm: Any = import_package("model", name, package)
    if model not in (known := timm.list_models()):
        problem = f": timm has no network {quote(model)}; {did_you_mean(model, known)}"
        raise SettingsError(setting_error("model", name, problem))
    arguments = {"pretrained": False, "in_chans": shape.channels, "num_classes": shape.classes}
    with user_errors("model", name, "cannot build the network"):
        try:
            network = timm.create_model(model, **arguments, img_size=shape.side)
        except TypeError:  # networks of convolutions have no argument for the size of the images
            network = timm.create_model(model, **arguments)
    return _tried(name, network, shape)


def _tried(name: str, network: object, shape: Shape) -> nn.Module:
    """Return `network`, or raise SettingsError if it does not map these images to logits."""
    import torch
    from torch import nn

    if not isinstance(network, nn.Module):
        problem = f": the function returned {type(network).__name__}, not a torch.nn.Module."
        raise SettingsError(setting_error("model", name, problem))
    if not any(weight.requires_grad for weight in network.parameters()):
        raise SettingsError(setting_error("model", name, ": the network has no weights to train."))
    images = torch.zeros(2, shape.channels, shape.side, shape.side)
    with user_errors("model", name, f"fails on images of {shape.channels}×{shape.side}×{shape.side}"), torch.no_grad():
        logits = network.eval()(images)
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, shape.classes):
        found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        problem = f": from 2 images of {shape.classes} classes the network makes {found}, not (2, {shape.classes})."
        raise SettingsError(setting_error("model", name, problem))
    return network.train()


# Further arguments of some families. The auxiliary classifiers of GoogLeNet and Inception would each add a loss;
# without `init_weights` the two warn that its default will change.
_ARGUMENTS: dict[str, Callable[[Shape], dict[str, Any]]] = {
    "googlenet": lambda _: {"aux_logits": False, "init_weights": True},
    "inception": lambda _: {"aux_logits": False, "init_weights": True},
    "vit_": lambda shape: {"image_size": shape.side},
    "maxvit": lambda shape: {"input_size": (shape.side, shape.side)},
}
_COMMON_SIDES = (32, 64, 96, 128, 192, 224, 256, 320, 448)


def _torchvision_model(name: str, shape: Shape) -> nn.Module:
    from torchvision import models

    arguments = next((of(shape) for family, of in _ARGUMENTS.items() if name.startswith(family)), {})
    network: nn.Module = models.get_model(name, weights=None, num_classes=shape.classes, **arguments)
    _fit_first_layer(network, shape.channels)
    return network


def _fit_first_layer(network: nn.Module, channels: int) -> None:
    """Replace the first convolution by one that takes `channels` channels, unless it does."""
    from torch import nn

    name, first = next((name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d))
    if first.in_channels == channels:
        return
    arguments = {key: getattr(first, key) for key in ("kernel_size", "stride", "padding", "dilation")}
    parent, _, attribute = name.rpartition(".")
    fitted = nn.Conv2d(channels, first.out_channels, bias=first.bias is not None, **arguments)
    setattr(network.get_submodule(parent), attribute, fitted)


def _fitting_model(name: str, shape: Shape) -> nn.Module | None:
    """Return torchvision's network, or None if it does not accept images of this shape."""
    import torch

    try:
        network = _torchvision_model(name, shape)
        with torch.no_grad(), torch.device("meta"):  # where only shapes are computed
            copy.deepcopy(network).to("meta").eval()(torch.zeros(2, shape.channels, shape.side, shape.side))
    except (RuntimeError, ValueError, AssertionError):
        return None
    return network


def _sides(name: str, shape: Shape) -> str:
    """Return the smallest three of the common sides that the network accepts."""
    sides = [str(side) for side in _COMMON_SIDES if _fitting_model(name, replace(shape, side=side))]
    return " or ".join(sides[:3])
