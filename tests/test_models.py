"""The networks: one suite over our own and a selection of torchvision's, one of every family."""

import math
import re

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lrstudy.errors import SettingsError
from lrstudy.networks import BUILTIN_NETWORKS, Shape, build_model, has_batch_norm, torchvision_classifiers

HIDDEN = (256, 128, 64)
ONE_OF_EVERY_FAMILY = [
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vgg11_bn"),
    *("vit_b_32", "wide_resnet50_2"),
]
FAMILIES = ["resnet18", "squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5", "mobilenet_v3_small", "regnet_y_400mf"]


@pytest.mark.parametrize("name", BUILTIN_NETWORKS)
@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 28, 33, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_our_networks_take_images_of_any_side(name: str, side: int, channels: int) -> None:
    network = build_model(name, Shape(channels, side, classes=7), (6, 5))
    assert network(torch.zeros(2, channels, side, side)).shape == (2, 7)


@pytest.mark.parametrize("name", BUILTIN_NETWORKS)
@pytest.mark.parametrize("shape", [Shape(1, 8, 10), Shape(3, 64, 10), Shape(3, 32, 100)])
def test_the_loss_before_training_is_near_that_of_guessing(name: str, shape: Shape) -> None:
    torch.manual_seed(0)
    network = build_model(name, shape, HIDDEN)
    inputs = torch.randn(500, shape.channels, shape.side, shape.side)
    loss = cross_entropy(network(inputs), torch.arange(500) % shape.classes)
    assert loss.item() == pytest.approx(math.log(shape.classes), rel=0.02)


@pytest.mark.parametrize("name", BUILTIN_NETWORKS)
def test_hidden_sets_the_neurons_of_the_dense_layers(name: str) -> None:
    network = build_model(name, Shape(1, 8, 10), (32, 16, 24))
    dense = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in dense] == [32, 16, 24, 10]


def test_the_default_mlp_on_digits_has_the_weights_of_its_layers_and_no_more() -> None:
    network = build_model("mlp", Shape(1, 8, 10), HIDDEN)
    expected = (64 * 256 + 256) + (256 * 128 + 128) + (128 * 64 + 64) + (64 * 10 + 10)
    assert sum(weight.numel() for weight in network.parameters()) == expected


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_of_torchvisions_is_fitted_to_channels_and_classes(name: str, channels: int) -> None:
    network = build_model(name, Shape(channels, 64, classes=7), HIDDEN)
    assert network(torch.zeros(2, channels, 64, 64)).shape == (2, 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EVERY_FAMILY)
def test_one_classifier_of_every_family_of_torchvisions_takes_images_of_its_size(name: str) -> None:
    side = 224 if name == "maxvit_t" else 128
    network = build_model(name, Shape(1, side, classes=7), HIDDEN).to("meta")
    with torch.device("meta"):
        assert network.eval()(torch.zeros(2, 1, side, side)).shape == (2, 7)


def test_every_classifier_of_torchvisions_is_of_a_family_under_test() -> None:
    families = {_family(name) for name in ONE_OF_EVERY_FAMILY}
    assert {_family(name) for name in torchvision_classifiers()} == families


def _family(name: str) -> str:
    """`efficientnet_v2_s` is an `efficientnet_v`, `wide_resnet50_2` a `wide_resnet`."""
    return re.split(r"\d|_[a-z]+$|_[a-z](?=_)", name)[0].rstrip("_")


def test_a_network_that_images_are_too_small_for_says_which_sizes_would_do() -> None:
    with pytest.raises(
        SettingsError, match=r"model='alexnet' does not accept images of 8×8 pixels; use image_size=64 or 96"
    ):
        build_model("alexnet", Shape(1, 8, 10), HIDDEN)


def test_networks_that_normalise_over_the_batch_are_known() -> None:
    assert has_batch_norm(build_model("resnet18", Shape(3, 64, 2), HIDDEN))
    assert not has_batch_norm(build_model("cnn", Shape(3, 64, 2), HIDDEN))
