"""The device and the threads that a training computes with, and the setup of the process for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lrstudy.compat.malloc import keep_freed_memory
from lrstudy.compat.torch_internals import (
    flush_denormal_numbers,
    has_bf16,
    has_tf32,
    tf32_kinds,
    use_deterministic_kernels,
    use_tf32,
)
from lrstudy.errors import SettingsError
from lrstudy.formatting import setting_error
from lrstudy.hardware import usable_cores
from lrstudy.networks import BUILTIN_NETWORKS

if TYPE_CHECKING:
    import torch

    from lrstudy.settings import CommonSettings

# The precisions that turn TF32 on or off on CUDA, both for matrices and for convolutions.
TF32 = {"fp32": False, "tf32": True, "bf16": True}


@dataclass(frozen=True)
class Runtime:
    """A torch device, a number of CPU threads, and a description of the precision."""

    device: torch.device
    threads: int
    precision: str


def prepare(settings: CommonSettings) -> Runtime:
    """Set this process up for the training of `settings`, once, before the first tensor is computed.

    Raises:
        SettingsError: this machine does not have the device, or the device does not have the precision.
    """
    import torch

    device = choose_device(settings.device)
    if device.type == "cuda" and device.index is not None:  # streams and recordings belong to the current device
        torch.cuda.set_device(device)
    check_precision(settings.precision, device)
    if device.type == "cuda":
        use_deterministic_kernels()
        if settings.precision in TF32:
            use_tf32(enabled=TF32[settings.precision])
    precision = describe_precision(settings.precision, device)
    chosen = Runtime(device, choose_threads(settings.threads, settings.model), precision)
    torch.set_num_threads(chosen.threads)
    flush_denormal_numbers()
    keep_freed_memory()
    return chosen


def check_precision(precision: str, device: torch.device) -> None:
    """Raise SettingsError if `device` cannot compute with `precision`."""
    if precision == "tf32" and (device.type != "cuda" or not has_tf32(device)):
        raise SettingsError(setting_error("precision", precision, f"is not available on {device}; use precision=fp32."))
    if precision == "bf16" and not has_bf16(device):
        problem = f"is not available on {device}, whose processor has no instructions for it; use precision=fp32."
        raise SettingsError(setting_error("precision", precision, problem))


def describe_precision(precision: str, device: torch.device) -> str:
    """Return a description of the precision; `auto` is torch's default, on CUDA TF32 for convolutions alone."""
    if precision == "bf16":
        return "bf16 autocast"
    if device.type == "cuda" and precision != "fp32":
        kinds = [kind for kind, enabled in tf32_kinds().items() if enabled]
        return f"fp32, {' and '.join(kinds)} in tf32" if kinds and has_tf32(device) else "fp32"
    return "fp32"


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is the fastest of this machine."""
    import torch

    counts = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if name == "auto":
        return torch.device(next(kind for kind, count in counts.items() if count))
    kind, _, index = name.partition(":")
    if int(index or 0) >= counts[kind]:
        found = ", ".join(f"{kind} ({count})" for kind, count in counts.items() if count)
        raise SettingsError(setting_error("device", name, f"is not a device of this machine; torch finds {found}."))
    return torch.device(name)


def choose_threads(threads: int | Literal["auto"], model: str) -> int:
    """Return the number of threads; `auto` is one for the project's own networks, too small to gain from more."""
    if threads != "auto":
        return threads
    return 1 if model in BUILTIN_NETWORKS else usable_cores()
