"""The machine that this process runs on: cores, memory, processor, accelerator."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def usable_cores() -> int:
    """Return the number of cores that this process may use; a container can have fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Return the size of the machine's memory."""
    import psutil  # the report declares settings too, and runs where MLflow alone is installed

    total: int = psutil.virtual_memory().total
    return total


def free_memory_bytes() -> int:
    """Return the memory that the machine can give to programs without swapping."""
    import psutil

    free: int = psutil.virtual_memory().available
    return free


def free_gpu_memory(device: torch.device) -> int:
    """Return the free bytes of a GPU."""
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    return free


def describe(device: torch.device) -> str:
    """Return one line: the accelerator if `device` is one, the processor, the cores, the memory."""
    line = f"{_cpu()}, {usable_cores()} cores, {memory_bytes() / 2**30:.0f} GiB"
    return f"{processor(device)}; {line}" if device.type == "cuda" else line


def processor(device: torch.device) -> str:
    """Return the name of the processor that computes, whose kind the last bits depend on."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    return _cpu()


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
