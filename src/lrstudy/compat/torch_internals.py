"""Private parts of torch that the project uses, and the switches by which it changes torch for the whole process."""

from __future__ import annotations

import inspect
import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@cache
def without_compiler_hooks(optimizer: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """Return `optimizer` without the wrappers around torch's own methods for its compiler and its profiler.

    Reason: the wrappers import the compiler at their first call. Seen to work with torch 2.15.0, with the same bits.
    Without it, the first step of each process imports `torch._dynamo`: over a second of every command that trains.
    """
    import torch

    methods = {
        name: inspect.unwrap(method)
        for name in dir(optimizer)
        if hasattr(method := getattr(optimizer, name), "__wrapped__") and method.__module__.startswith("torch.optim")
    }
    if "step" in methods:
        # The wrapper of `step` also disables gradients; `hooked` keeps the constructor from wrapping it again.
        methods["step"] = torch.no_grad()(methods["step"])
        methods["step"].hooked = True
    return type(optimizer.__name__, (optimizer,), methods)


def flush_denormal_numbers() -> None:
    """Make the CPU compute with 0 in place of denormal numbers, in every thread of this process.

    Reason: a saturated network's weights and gradients sink into the denormal range. Seen to work with torch 2.15.0.
    Without it, such trainings are many times slower on a CPU, and their last digits differ.
    """
    import torch

    torch.set_flush_denormal(True)


def use_deterministic_kernels() -> None:
    """Make a GPU compute the same bits for the same command.

    Reason and method: https://docs.pytorch.org/docs/stable/notes/randomness.html. Seen to work with torch 2.11 to 2.15.
    Without it, a training that is repeated or resumed on a GPU has other bits. Torch would also fill new memory, which
    costs time and changes no result of a program that writes before it reads.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def use_tf32(*, enabled: bool) -> None:
    """Make CUDA multiply matrices and convolve in TF32, or in float32.

    Reason: torch convolves in TF32 by default, and multiplies matrices in float32. Seen to work with torch 2.11 to
    2.15. Without it, `precision` could not choose between the two.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = enabled
    torch.backends.cudnn.allow_tf32 = enabled


def tf32_kinds() -> dict[str, bool]:
    """Return which computations on CUDA use TF32 now."""
    import torch

    return {
        "matrices": torch.backends.cuda.matmul.allow_tf32,
        "convolutions": torch.backends.cudnn.allow_tf32,
    }


def has_tf32(device: torch.device) -> bool:
    """Return whether a CUDA device has units for TF32: those of compute capability 8 and above have."""
    import torch

    return torch.cuda.get_device_capability(device) >= (8, 0)


def has_bf16(device: torch.device) -> bool:
    """Return whether a device computes with bf16 by instructions of its own: others emulate it, many times slower."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return any(available for name, available in capabilities.items() if name.endswith("bf16"))
