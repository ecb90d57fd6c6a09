"""The table of optimizers: a class per row, with its own defaults.

Left out are LBFGS (evaluates the loss several times per step), Rprop (made for full batches), Muon (takes only
matrices) and SparseAdam (takes only sparse gradients).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrstudy.errors import SettingsError
from lrstudy.formatting import setting_error

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer's class, as `module:Class`, and whether it has a momentum to set.

    The class is a subclass of `torch.optim.Optimizer` and takes `lr` and `weight_decay`.
    """

    entry: str
    momentum: bool = False

    def load_class(self) -> type[torch.optim.Optimizer]:
        """Import the optimizer's class.

        Raises:
            ModuleNotFoundError: its package is not installed.
        """
        module, _, name = self.entry.partition(":")
        optimizer: type[torch.optim.Optimizer] = getattr(import_module(module), name)
        return optimizer


OPTIMIZERS = {
    "sgd": OptimizerSpec("torch.optim:SGD", momentum=True),
    "rmsprop": OptimizerSpec("torch.optim:RMSprop", momentum=True),
    "adagrad": OptimizerSpec("torch.optim:Adagrad"),
    "adam": OptimizerSpec("torch.optim:Adam"),
    "adamw": OptimizerSpec("torch.optim:AdamW"),
    "nadam": OptimizerSpec("torch.optim:NAdam"),
    "radam": OptimizerSpec("torch.optim:RAdam"),
    "adamax": OptimizerSpec("torch.optim:Adamax"),
    "adadelta": OptimizerSpec("torch.optim:Adadelta"),
    "adafactor": OptimizerSpec("torch.optim:Adafactor"),
    "asgd": OptimizerSpec("torch.optim:ASGD"),
}

# The optimizers that a grid compares and a search covers by default, in the order of every table and figure.
DEFAULT_OPTIMIZERS = ("sgd", "rmsprop", "adagrad", "adam")
# Hyperparameters of torch's optimizers that choose an implementation and leave the numbers as they are.
SWITCHES = ("foreach", "fused", "capturable", "differentiable")


def build_optimizer(
    name: str,
    weights: Iterable[torch.nn.Parameter],
    lr: float,
    momentum: float = 0.0,
    weight_decay: float | None = None,
) -> torch.optim.Optimizer:
    """Return the optimizer called `name`, with its class's defaults for everything that is not given.

    Args:
        name: a name of the table.
        weights: the parameters to optimize.
        lr: learning rate.
        momentum: 0 for an optimizer without momentum.
        weight_decay: None for the class's own default, which is not 0 for AdamW.

    Raises:
        SettingsError: the package that has the optimizer is not installed.
    """
    from lrstudy.compat.torch_internals import without_compiler_hooks

    spec = OPTIMIZERS[name]
    options: dict[str, Any] = {"lr": lr}
    if spec.momentum:
        options["momentum"] = momentum
    if weight_decay is not None:
        options["weight_decay"] = weight_decay
    try:
        optimizer_class: Any = spec.load_class()
    except ModuleNotFoundError as error:
        problem = f"needs the package {error.name}, which is not installed here."
        raise SettingsError(setting_error("optimizer", name, problem)) from error
    optimizer: torch.optim.Optimizer = without_compiler_hooks(optimizer_class)(weights, **options)
    return optimizer
