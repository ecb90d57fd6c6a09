"""The code that is sent to the workers of a cluster: the agent's functions with its source, and this package as a zip.

So a worker needs the packages of `conda.yaml`, but no copy of this project, and it runs the driver's code.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import lrstudy
from lrstudy.cluster import agent
from lrstudy.cluster.agent import ShippedFunction

SOURCE = Path(agent.__file__).read_text(encoding="utf-8")
PACKAGE = Path(lrstudy.__file__).parent


def agent_function(name: str) -> ShippedFunction:
    """Return a function of `lrstudy.cluster.agent` in the form that runs in a worker."""
    return ShippedFunction(SOURCE, name)


def package_archive() -> bytes:
    """Return this package as a zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(PACKAGE.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(PACKAGE.parent))
    return content.getvalue()
