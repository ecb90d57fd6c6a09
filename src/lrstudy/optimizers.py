"""The optimizers, a row of the table each: torch's own, with torch's own defaults.

Left out: LBFGS (calls the loss many times a step), Rprop (made for full batches), Muon (takes matrices alone) and
SparseAdam (takes sparse gradients alone).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class OptimizerSpec:
    """One of torch's optimizers: its class in `torch.optim`, and whether that class has a momentum to set."""

    torch_name: str
    momentum: bool = False


OPTIMIZERS = {
    "sgd": OptimizerSpec("SGD", momentum=True),
    "rmsprop": OptimizerSpec("RMSprop", momentum=True),
    "adagrad": OptimizerSpec("Adagrad"),
    "adam": OptimizerSpec("Adam"),
    "adamw": OptimizerSpec("AdamW"),
    "nadam": OptimizerSpec("NAdam"),
    "radam": OptimizerSpec("RAdam"),
    "adamax": OptimizerSpec("Adamax"),
    "adadelta": OptimizerSpec("Adadelta"),
    "adafactor": OptimizerSpec("Adafactor"),
    "asgd": OptimizerSpec("ASGD"),
}


# The optimizers that a grid compares and a search covers by default, in the order of every table and figure.
DEFAULT_OPTIMIZERS = ("sgd", "rmsprop", "adagrad", "adam")


def build_optimizer(
    name: str,
    weights: Iterable[torch.nn.Parameter],
    lr: float,
    momentum: float = 0.0,
    weight_decay: float | None = None,
) -> torch.optim.Optimizer:
    """The optimizer called `name`, with torch's default for all that is not given.

    Args:
        name: a name of the table.
        weights: what it optimizes.
        lr: learning rate.
        momentum: 0 for an optimizer that has none.
        weight_decay: None is torch's own default, which is not 0 for AdamW.
    """
    import torch

    spec = OPTIMIZERS[name]
    given: dict[str, Any] = {"lr": lr}
    if spec.momentum:
        given["momentum"] = momentum
    if weight_decay is not None:
        given["weight_decay"] = weight_decay
    optimizer: torch.optim.Optimizer = _bare(getattr(torch.optim, spec.torch_name))(weights, **given)
    return optimizer


@cache
def _bare(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """`kind` as torch wrote it, without what torch wraps around its methods for its compiler and its profiler.

    The wrappers import the compiler at the first call, which takes a second and more; the numbers are the same.
    """
    import torch

    methods = {
        name: inspect.unwrap(method) for name in dir(kind) if hasattr(method := getattr(kind, name), "__wrapped__")
    }
    # The wrapper of `step` also turns gradients off; `hooked` keeps the constructor from wrapping it again.
    step = torch.no_grad()(methods.pop("step"))
    step.hooked = True
    return type(kind.__name__, (kind,), methods | {"step": step})
