"""The device and the threads that a training computes with, and the setup of the process for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lrstudy.compat.malloc import keep_freed_memory
from lrstudy.compat.torch_internals import flush_denormal_numbers, use_deterministic_kernels
from lrstudy.errors import SettingsError
from lrstudy.formatting import setting_error
from lrstudy.hardware import usable_cores
from lrstudy.networks import BUILTIN_NETWORKS

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Runtime:
    """A device of torch and a number of CPU threads."""

    device: torch.device
    threads: int


def prepare(device: str, threads: int | Literal["auto"], model: str) -> Runtime:
    """Set this process up to train, once, before the first tensor is computed.

    Raises:
        SettingsError: this machine does not have the device.
    """
    import torch

    chosen = Runtime(choose_device(device), choose_threads(threads, model))
    torch.set_num_threads(chosen.threads)
    flush_denormal_numbers()
    if chosen.device.type == "cuda":
        use_deterministic_kernels()
    keep_freed_memory()
    return chosen


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
