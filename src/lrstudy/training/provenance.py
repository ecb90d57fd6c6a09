"""What a run was made with: versions, hardware, and whether the code was as committed."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psutil

from lrstudy.training.runtime import Runtime, usable_cores

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "scikit-learn", "mlflow", "optuna")


@cache
def versions() -> dict[str, str]:
    """The version of Python and of each package that has a part in the numbers."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def hardware(runtime: Runtime) -> str:
    """One line: the processor, the cores, the memory, and the accelerator if one computed."""
    import torch

    memory = psutil.virtual_memory().total / 2**30
    line = f"{_processor()}, {usable_cores()} cores, {memory:.0f} GiB"
    if runtime.device.type == "cuda":
        return f"{torch.cuda.get_device_name(runtime.device)}; {line}"
    return line


@cache
def uncommitted_changes() -> bool | None:
    """Whether the files under version control differ from their last commit; None where there is no git."""
    try:
        status = subprocess.run(
            # Without locks: one that a killed process leaves would keep the user from the next commit.
            ["git", "--no-optional-locks", "status", "--porcelain", "--untracked-files=no"],
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return bool(status.stdout.strip())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
