"""The table of optimizers: a class per row, with its own defaults.

Left out are LBFGS (evaluates the loss several times per step), Rprop (made for full batches), Muon (takes only
matrices) and SparseAdam (takes only sparse gradients).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lrstudy.errors import SettingsError
from lrstudy.formatting import did_you_mean, format_setting, join_and, quote, setting_error
from lrstudy.user_code import file_reference, import_package, package_reference, user_errors

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer's class, as `module:Class`, and whether it has a momentum to set.

    The class is a subclass of `torch.optim.Optimizer` and takes `lr` and `weight_decay`.
    """

    entry: str
    momentum: bool = False

    def load_class(self, name: str = "") -> type[torch.optim.Optimizer]:
        """Import the optimizer's class; an error echoes `name`.

        Raises:
            SettingsError: its package is not installed.
        """
        module, _, class_name = self.entry.partition(":")
        optimizer: type[torch.optim.Optimizer] = getattr(import_package("optimizer", name, module), class_name)
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
# Where the search for an optimizer's best learning rate begins, if not at `USUAL_LR`.
USUAL_LRS = {"sgd": 0.1, "asgd": 0.1, "adagrad": 0.01, "adadelta": 1.0, "adafactor": 0.01}
USUAL_LR = 0.001
# Arguments of optimizers that are settings of their own.
OWN_SETTINGS = ("lr", "momentum", "weight_decay")
# Hyperparameters of torch's optimizers that choose an implementation and leave the numbers as they are.
SWITCHES = ("foreach", "fused", "capturable", "differentiable")


def has_momentum(name: str) -> bool:
    """Return whether the optimizer may take a momentum; outside the table, its class decides later."""
    spec = OPTIMIZERS.get(name)
    return spec is None or spec.momentum


def usual_lr(name: str) -> float:
    """Return the learning rate at which the search for an optimizer's best one begins."""
    return USUAL_LRS.get(name, USUAL_LR)


def load_optimizer_class(name: str) -> type[torch.optim.Optimizer]:
    """Import the class of the optimizer called `name`: of the table, of a user's file, or of another package.

    Raises:
        SettingsError: the package is not installed, or there is no such class of optimizers.
    """
    import torch

    if name in OPTIMIZERS:
        return OPTIMIZERS[name].load_class(name)
    reference = file_reference("optimizer", name)
    found = reference.load() if reference else _class_of_package(name)
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise SettingsError(setting_error("optimizer", name, "is not a subclass of torch.optim.Optimizer."))
    return found


def _class_of_package(name: str) -> Any:
    """Return the class of `package:name`; for timm and pytorch-optimizer, also by the package's own name of it."""
    package, class_name = package_reference(name) or ("", name)
    module = import_package("optimizer", name, f"{package}.optim" if package == "timm" else package)
    found = getattr(module, class_name, None)
    for lookup in ("get_optimizer_class", "load_optimizer"):
        if not isinstance(found, type) and hasattr(module, lookup):
            with suppress(Exception):  # each package has its own errors for unknown names
                found = getattr(module, lookup)(class_name)
    if found is None:
        problem = f": {package} has no optimizer {quote(class_name)}."
        raise SettingsError(setting_error("optimizer", name, problem))
    return found.func if isinstance(found, partial) else found


def build_optimizer(
    name: str,
    weights: Iterable[Any],
    lr: float,
    momentum: float = 0.0,
    weight_decay: float | None = None,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> torch.optim.Optimizer:
    """Return the optimizer called `name`, with its class's defaults for everything that is not given.

    Args:
        name: a name of the table, `path/to/file.py:Class`, or `package:Class`.
        weights: the parameters to optimize, or groups of them.
        lr: learning rate.
        momentum: 0 for an optimizer without momentum.
        weight_decay: None for the class's own default, which is not 0 for AdamW.
        arguments: further arguments of its class, by their names.

    Raises:
        SettingsError: the package that has the optimizer is not installed, or the class does not take an argument.
    """
    from lrstudy.compat.torch_internals import without_compiler_hooks

    optimizer_class: Any = load_optimizer_class(name)
    options: dict[str, Any] = {"lr": lr}
    if momentum or (name in OPTIMIZERS and has_momentum(name)):
        options["momentum"] = momentum
    if weight_decay is not None:
        options["weight_decay"] = weight_decay
    _check_arguments(name, optimizer_class, options, arguments)
    cause = ("optimizer_args", format_arguments(arguments)) if arguments else ("optimizer", name)
    with user_errors(*cause, f"cannot be used with {name}" if arguments else "cannot be made"):
        optimizer: torch.optim.Optimizer = without_compiler_hooks(optimizer_class)(weights, **options, **arguments)
    if name not in OPTIMIZERS:
        _check_use(name, optimizer)
    return optimizer


def _check_use(name: str, optimizer: torch.optim.Optimizer) -> None:
    """Raise SettingsError if an optimizer of another source cannot be used as a training uses those of torch."""
    if not all(isinstance(group.get("lr"), int | float) for group in optimizer.param_groups):
        problem = ": its param_groups have no 'lr' that is a number; a training sets and logs the learning rate there."
        raise SettingsError(setting_error("optimizer", name, problem))
    step = inspect.signature(optimizer.step).parameters.values()
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if needed := [one.name for one in step if one.default is one.empty and one.kind not in optional]:
        problem = (
            f": its step() needs {join_and([quote(one) for one in needed])}; a training calls it without arguments."
        )
        raise SettingsError(setting_error("optimizer", name, problem))


def _check_arguments(
    optimizer: str, optimizer_class: Any, options: Mapping[str, Any], arguments: Mapping[str, Any]
) -> None:
    """Raise SettingsError if the optimizer's class does not take one of the arguments."""
    parameters = inspect.signature(optimizer_class).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name, value in options.items():
        if name not in parameters:
            problem = f"has no effect on {optimizer}, which does not take it."
            raise SettingsError(setting_error(name, value, problem))
    for name in arguments:
        if name not in parameters:
            choices = sorted(set(parameters) - {"params", *OWN_SETTINGS})
            problem = f": {optimizer} does not take {quote(name)}; {did_you_mean(name, choices)}"
            raise SettingsError(setting_error("optimizer_args", format_arguments(arguments), problem))


def parse_arguments(text: str) -> dict[str, Any]:
    """Parse arguments such as `betas=0.9,0.95;eps=1e-6;nesterov=true`, by their names; none for `none`.

    Raises:
        ValueError: the text has another form, or names an argument that has a setting of its own.
    """
    if text.strip().lower() == "none":
        return {}
    arguments: dict[str, Any] = {}
    for part in text.split(";"):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name.isidentifier() or not value:
            raise ValueError("must be arguments as in betas=0.9,0.95;eps=1e-6;nesterov=true, or none.")
        if name in OWN_SETTINGS:
            raise ValueError(f"names {quote(name)}, which is a setting of its own; use {name}={value}.")
        if name in arguments:
            raise ValueError(f"names {quote(name)} twice.")
        arguments[name] = _parse_argument(value)
    return arguments


def format_arguments(arguments: Mapping[str, Any]) -> str:
    """Return arguments as a user types them; `none` if there are none."""
    return ";".join(f"{name}={format_setting(value)}" for name, value in arguments.items()) or "none"


def _parse_argument(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    if "," in text:
        return tuple(_parse_argument(part.strip()) for part in text.split(","))
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def group_by_decay(weights: Sequence[Any]) -> list[dict[str, Any]]:
    """Return groups of the matrices among weights, then of the vectors and scalars, these without weight decay.

    Vectors and scalars are, for example, biases and the weights of normalisation layers. Groups of weights are each
    divided in two.
    """
    groups = weights if isinstance(weights[0], Mapping) else [{"params": weights}]
    matrices = [{**group, "params": [weight for weight in group["params"] if weight.ndim >= 2]} for group in groups]
    vectors = [
        {**group, "params": [weight for weight in group["params"] if weight.ndim < 2], "weight_decay": 0.0}
        for group in groups
    ]
    return [group for group in (*matrices, *vectors) if group["params"]]


def plain_value(value: Any) -> Any:
    """Return an optimizer's hyperparameter as numbers and texts, so that it can be part of a training's identity."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain_value(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(plain_value, value)) if type(value) in (list, tuple) else list(map(plain_value, value))
    if hasattr(value, "tolist"):  # a tensor, or an array or a number of numpy
        return value.tolist()
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
