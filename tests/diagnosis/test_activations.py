"""Dead units and saturated predictions of networks whose activations are known."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lrstudy.training.diagnosis.activations import Activations, measure_activations
from lrstudy.training.diagnosis.diagnosis import causes_of_epoch


def half_dead(outputs: int = 4) -> nn.Linear:
    """Return a layer of which the first half of the outputs is negative for every image of ones."""
    layer = nn.Linear(4, outputs)
    with torch.no_grad():
        layer.weight.fill_(1)
        layer.bias.zero_()
        layer.weight[: outputs // 2] = -1
    return layer


class Functional(nn.Module):
    def __init__(self, rectify: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.rectify = half_dead(), nn.Linear(4, 3), rectify

    def forward(self, images: Tensor) -> Tensor:
        hidden: Tensor = self.rectify(self.first(images.flatten(1)))
        return self.last(hidden)  # type: ignore[no-any-return]


class Twice(nn.Module):
    """A network with one layer that rectifies twice, as torchvision's residual networks have."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.relu = half_dead(), nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.relu(self.layer(self.relu(images.flatten(1))))  # type: ignore[no-any-return]


IMAGES = torch.ones(5, 1, 2, 2)


@pytest.mark.parametrize(
    "rectify",
    [functional.relu, functional.relu6, torch.relu, Tensor.relu, Tensor.relu_, nn.ReLU(), nn.ReLU(True), nn.ReLU6()],
)
def test_dead_units_are_counted_of_layers_and_of_functions(rectify: Callable[[Tensor], Tensor]) -> None:
    found = measure_activations(Functional(rectify), IMAGES)
    assert (sum(found.dead.values()), sum(found.units.values())) == (2, 4)
    assert found.dead_share == 0.5


def test_a_layer_that_rectifies_twice_counts_twice() -> None:
    found = measure_activations(Twice(), IMAGES)
    assert found.units == {"relu": 4, "relu (call 2)": 4}
    assert found.dead == {"relu": 0, "relu (call 2)": 2}


def test_a_unit_that_one_image_wakes_is_alive_and_one_that_is_not_a_number_is_not_dead() -> None:
    images = IMAGES.clone()
    images[3] = -1
    assert measure_activations(Functional(functional.relu), images).dead_share == 0
    images[:] = math.nan
    assert measure_activations(Functional(functional.relu), images).dead_share == 0


def test_the_units_of_a_convolution_are_its_channels_and_those_of_tokens_their_features() -> None:
    convolution = nn.Conv2d(1, 3, 1)
    with torch.no_grad():
        convolution.weight[:] = torch.tensor([-1.0, 1.0, 1.0])[:, None, None, None]
        convolution.bias[:] = torch.tensor([0.0, -0.5, -9.0])  # type: ignore[index]
    network = nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    found = measure_activations(network, IMAGES)
    assert (found.dead, found.units) == ({"1": 2}, {"1": 3})

    class Tokens(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            tokens = torch.relu(torch.stack([images.flatten(1)[:, :2]] * 7, dim=1) * torch.tensor([1.0, -1.0]))
            return tokens.sum(1)

    assert measure_activations(Tokens(), IMAGES).units == {"": 2}


def test_a_network_without_rectifiers_has_no_share() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Tanh(), nn.Hardtanh(), nn.Linear(4, 2))
    assert math.isnan(measure_activations(network, IMAGES).dead_share)


def test_saturated_predictions_are_logged_while_the_validation_loss_rises() -> None:
    class Logits(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.tensor([[0.0, 0.0], [4.5, 0.0], [4.7, 0.0], [-9.0, 9.0], [0.0, 4.5]])  # 4.6 is 99%

    found = measure_activations(Logits(), IMAGES)
    assert found.saturated == pytest.approx(2 / 5)
    assert causes_of_epoch([], found, rises=True) == pytest.approx({"why_saturated": 2 / 5})
    assert causes_of_epoch([], found, rises=False) == {}


def test_the_share_of_all_layers_counts_units_and_not_layers() -> None:
    assert Activations({"a": 1, "b": 0}, {"a": 1, "b": 9}, 0.0).dead_share == pytest.approx(0.1)
