"""A measured step against independent mathematics: an exact Hessian, the edge of stability, and norms by hand."""

import copy
import math
from statistics import median

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lrstudy.optimizers import OPTIMIZERS, build_optimizer
from lrstudy.training.diagnosis.movement import StepMeasurement, measure_step
from lrstudy.training.diagnosis.network_copy import LossAlongStep, RandomState, copy_network
from lrstudy.training.recipe import PLAIN_LOSS, Loss
from small_trainings import dense, split

CPU = torch.device("cpu")


def measured(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Loss = PLAIN_LOSS) -> StepMeasurement:
    """Make one step on the whole split, and measure it."""
    inputs, labels = data(network)
    before, state = copy_network(network), RandomState.capture(CPU)
    optimizer.zero_grad()
    loss(network(inputs), labels).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return measure_step(network, LossAlongStep(before, inputs, labels, loss, state))


def data(network: nn.Module) -> tuple[Tensor, Tensor]:
    inputs, labels = split().batch(torch.arange(40))
    return inputs.to(next(network.parameters()).dtype), labels


def smooth(neurons: int = 6) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, neurons), nn.Tanh(), nn.Linear(neurons, 3)).double()


def near_a_minimum(loss: Loss) -> nn.Module:
    """Return a network so close to a minimum that its loss is a parabola along each direction."""
    network = smooth()
    inputs, labels = data(network)
    optimizer = torch.optim.LBFGS(
        network.parameters(), max_iter=150, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        value = loss(network(inputs), labels)
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight), alpha=1e-4)
    return network


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")  # as the library is imported
def test_for_gradient_descent_the_critical_lr_is_that_of_the_exact_hessian() -> None:
    from curvlinops import HessianLinearOperator

    loss, of_library = Loss(label_smoothing=0.2), nn.CrossEntropyLoss(label_smoothing=0.2)
    network = near_a_minimum(loss)
    inputs, labels = data(network)
    weights = list(network.parameters())
    gradient = list(torch.autograd.grad(loss(network(inputs), labels), weights))
    hessian = HessianLinearOperator(network, of_library, weights, [(inputs, labels)], check_deterministic=False)
    curvature = dot(gradient, list(hessian @ gradient))
    critical_lr = 2 * dot(gradient, gradient) / curvature
    for lr in (critical_lr / 1000, critical_lr / 3, critical_lr, 30 * critical_lr):
        copied = copy.deepcopy(network)
        found = measured(copied, torch.optim.SGD(copied.parameters(), lr), loss)
        assert found.lengths.critical * lr == pytest.approx(critical_lr, rel=0.01)
        assert found.lengths.best * lr == pytest.approx(critical_lr / 2, rel=0.01)
        assert found.gradient_norm == pytest.approx(math.sqrt(dot(gradient, gradient)), rel=1e-9)


def dot(first: list[Tensor], second: list[Tensor]) -> float:
    return sum((a * b).sum().item() for a, b in zip(first, second, strict=True))


def test_at_the_edge_of_stability_the_lr_hovers_at_the_critical_one() -> None:
    ratios = {}
    for lr in (0.1, 1.0):
        network = smooth(16)
        optimizer = torch.optim.SGD(network.parameters(), lr)
        loss = Loss(label_smoothing=0.2)
        ratios[lr] = [1 / measured(network, optimizer, loss).lengths.critical for _ in range(50)]
    assert max(ratios[0.1]) < 0.2
    assert median(ratios[1.0][-20:]) == pytest.approx(1, abs=0.1)
    assert all(0.5 < ratio < 2 for ratio in ratios[1.0][-20:])


def loss_along(network: nn.Module, step: list[Tensor], length: float) -> float:
    """Return the loss where a step is made `length` times as long, by plain torch."""
    moved = copy.deepcopy(network)
    with torch.no_grad():
        for weight, part in zip(moved.parameters(), step, strict=True):
            weight.add_(part, alpha=length)
    inputs, labels = data(network)
    return cross_entropy(moved(inputs).double(), labels).item()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_of_every_optimizer_the_loss_is_lower_up_to_the_critical_length_of_its_step(name: str) -> None:
    network = dense()
    optimizer = build_optimizer(name, list(network.parameters()), lr=0.02)
    for _ in range(3):  # with a state behind it
        before = copy.deepcopy(network)
        found = measured(network, optimizer)
    step = [after.detach() - old.detach() for after, old in zip(network.parameters(), before.parameters(), strict=True)]
    start, critical = loss_along(before, step, 0), found.lengths.critical
    assert 0 < critical < math.inf
    assert all(loss_along(before, step, share * critical) < start for share in (0.01, 0.3, 0.6, 0.9, 0.99))
    assert loss_along(before, step, 1.01 * critical) >= start
    lowest = min(loss_along(before, step, share / 100 * critical) for share in range(1, 100))
    assert loss_along(before, step, found.lengths.best) == pytest.approx(lowest, abs=0.02 * (start - lowest))


def test_the_movement_of_layers_is_that_of_their_weights() -> None:
    network = dense(nn.BatchNorm1d(8))
    before = copy.deepcopy(network)
    found = measured(network, torch.optim.SGD(network.parameters(), 0.1))
    assert [layer.layer for layer in found.layers] == ["1", "2", "4"]
    ratios = []
    for layer in found.layers:
        old, new = (dict(of.named_modules())[layer.layer] for of in (before, network))
        pairs = list(zip(old.parameters(), new.parameters(), strict=True))
        moved = math.sqrt(sum(((b - a) ** 2).sum().item() for a, b in pairs))
        ratios.append(moved / math.sqrt(sum((a**2).sum().item() for a, _ in pairs)))
        assert layer.update_ratio == pytest.approx(ratios[-1], rel=1e-4)
        # A step of gradient descent is the learning rate times the gradient.
        assert layer.gradient_norm == pytest.approx(moved / 0.1, rel=1e-4)
    assert found.update_ratio == pytest.approx(median(ratios), rel=1e-4)


def test_a_layer_of_zeros_has_no_ratio() -> None:
    network = dense()
    for weight in network[3].parameters():
        nn.init.zeros_(weight)
    found = measured(network, torch.optim.SGD(network.parameters(), 0.1))
    first, last = found.layers
    assert math.isnan(last.update_ratio)
    assert found.update_ratio == first.update_ratio == 0  # zeros after it let no gradient through
