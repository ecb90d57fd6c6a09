"""Where a training computes: the device, the threads, and how the process is set up for it."""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lrstudy.errors import SettingsError
from lrstudy.hardware import usable_cores
from lrstudy.networks import BUILTIN_NETWORKS

if TYPE_CHECKING:
    import torch

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BY_MALLOC = 2**30


@dataclass(frozen=True)
class Runtime:
    """A device of torch's and a number of CPU threads."""

    device: torch.device
    threads: int


def prepare(device: str, threads: int | Literal["auto"], model: str) -> Runtime:
    """Sets this process up to train: to be called once, before the first tensor is computed.

    Raises:
        SettingsError: there is no such device on this machine.
    """
    import torch

    chosen = Runtime(choose_device(device), choose_threads(threads, model))
    torch.set_num_threads(chosen.threads)
    # A saturated network's weights and gradients sink into the denormal range, where a CPU is many times slower.
    torch.set_flush_denormal(True)
    if chosen.device.type == "cuda":
        # https://docs.pytorch.org/docs/stable/notes/randomness.html: the same command gives the same bits.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    _keep_freed_memory()
    return chosen


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the fastest that this machine has."""
    import torch

    there = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if name == "auto":
        return torch.device(next(kind for kind, count in there.items() if count))
    kind, _, index = name.partition(":")
    if int(index or 0) >= there[kind]:
        have = ", ".join(f"{kind} ({count})" for kind, count in there.items() if count)
        raise SettingsError(f"device={name}: torch finds no such device here; it finds {have}.")
    return torch.device(name)


def choose_threads(threads: int | Literal["auto"], model: str) -> int:
    """`auto` is one for our own networks: too small to gain from more, and so alike alone and beside others."""
    if threads != "auto":
        return threads
    return 1 if model in BUILTIN_NETWORKS else usable_cores()


def _keep_freed_memory() -> None:
    """Tells glibc's malloc to keep freed blocks, which it otherwise gives back and asks for again at every step."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_BY_MALLOC)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BY_MALLOC)
