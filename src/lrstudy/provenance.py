"""The software that a run is made with: versions, and whether the code is as committed."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "scikit-learn", "mlflow", "optuna")


@cache
def versions() -> dict[str, str]:
    """Return the version of Python and of each package that affects the numbers."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


@cache
def uncommitted_changes() -> bool | None:
    """Return whether the files under version control differ from their last commit; None without git."""
    try:
        status = subprocess.run(
            # Without locks: a lock left by a killed process would block the user's next commit.
            ["git", "--no-optional-locks", "status", "--porcelain", "--untracked-files=no"],
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return bool(status.stdout.strip())
