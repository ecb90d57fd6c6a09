"""The table of optimizers: one suite, run over every row."""

import json
import subprocess
import sys
from typing import Any

import pytest
import torch

from conftest import ROOT
from lrstudy.errors import SettingsError
from lrstudy.optimizers import OPTIMIZERS, OptimizerSpec, build_optimizer


def weights() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.linspace(-1, 1, 12).reshape(3, 4)), torch.nn.Parameter(torch.ones(3))]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_has_the_defaults_of_its_class(name: str) -> None:
    ours = build_optimizer(name, weights(), lr=0.01)
    plain = OPTIMIZERS[name].load_class()(weights(), lr=0.01)  # type: ignore[call-arg]
    assert ours.defaults == plain.defaults
    assert isinstance(ours, type(plain))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_hyperparameters_of_an_optimizer_can_be_part_of_a_trainings_identity(name: str) -> None:
    assert json.loads(json.dumps(build_optimizer(name, weights(), lr=0.01).defaults))["lr"] == 0.01


def _steps(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> list[torch.Tensor]:
    """The parameters after steps by gradients of many sizes, of which some are zero."""
    for step in range(8):
        optimizer.zero_grad()
        for parameter in parameters:
            parameter.grad = torch.sin(parameter.detach() * 10.0 ** (step - 4)) * (step != 5)
        optimizer.step()
    return [parameter.detach().clone() for parameter in parameters]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_gives_the_bits_of_its_class_also_after_its_state_was_restored(name: str, momentum: float) -> None:
    if momentum and not OPTIMIZERS[name].momentum:
        pytest.skip("it has no momentum")
    kind: Any = OPTIMIZERS[name].load_class()
    theirs_weights, ours_weights = weights(), weights()
    theirs = kind(theirs_weights, lr=0.01, **({"momentum": momentum} if momentum else {}))
    ours = build_optimizer(name, ours_weights, lr=0.01, momentum=momentum)
    for their, our in zip(_steps(theirs, theirs_weights), _steps(ours, ours_weights), strict=True):
        assert torch.equal(their, our)
    again = build_optimizer(name, ours_weights, lr=0.01, momentum=momentum)
    again.load_state_dict(ours.state_dict())
    for their, our in zip(_steps(theirs, theirs_weights), _steps(again, ours_weights), strict=True):
        assert torch.equal(their, our)


def test_a_training_does_not_wait_for_torchs_compiler_to_be_imported() -> None:
    script = """
import sys, torch
from lrstudy.optimizers import build_optimizer
weight = torch.nn.Parameter(torch.ones(3))
optimizer = build_optimizer("adam", [weight], lr=0.01)
optimizer.zero_grad()
weight.sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT / "src", check=True)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_goes_down_a_slope(name: str) -> None:
    parameters = weights()
    optimizer = build_optimizer(name, parameters, lr=0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = sum((parameter**2).sum() for parameter in parameters)
        assert isinstance(loss, torch.Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_momentum_and_weight_decay_reach_the_optimizers_that_have_them(name: str) -> None:
    momentum = 0.5 if OPTIMIZERS[name].momentum else 0.0
    defaults = build_optimizer(name, weights(), lr=0.01, momentum=momentum, weight_decay=0.25).defaults
    assert defaults["weight_decay"] == 0.25
    assert defaults.get("momentum", 0.0) == momentum


class SignDescent(torch.optim.Optimizer):
    """An optimizer that is not torch's: each weight moves by the learning rate, against its gradient's sign."""

    def __init__(self, params: list[torch.nn.Parameter], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                weight.sub_(weight.grad.sign(), alpha=group["lr"])


def test_an_optimizer_need_not_be_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPTIMIZERS, "sign", OptimizerSpec(f"{__name__}:SignDescent"))
    (weight, _) = parameters = weights()
    before = weight.detach().clone()
    optimizer = build_optimizer("sign", parameters, lr=0.5)
    weight.sum().backward()  # type: ignore[no-untyped-call]
    parameters[1].sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert torch.equal(weight, before - 0.5)


def test_an_optimizer_of_a_package_that_is_not_installed_is_rejected_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(OPTIMIZERS, "lion", OptimizerSpec("no_such_package:Lion"))
    with pytest.raises(SettingsError, match="optimizer='lion' needs the package no_such_package, which is not inst"):
        build_optimizer("lion", weights(), lr=0.5)


def test_adamw_keeps_the_weight_decay_that_makes_it_adamw_unless_told_to_have_none() -> None:
    assert build_optimizer("adamw", weights(), lr=0.01, weight_decay=0.0).defaults["weight_decay"] == 0.0
    assert build_optimizer("adamw", weights(), lr=0.01).defaults["weight_decay"] == 0.01


def test_sgd_first_step_is_the_learning_rate_times_the_gradient() -> None:
    (parameter, _) = parameters = weights()
    before = parameter.detach().clone()
    optimizer = build_optimizer("sgd", parameters, lr=0.25)
    (3 * parameter).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert torch.equal(parameter, before - 0.25 * 3)
