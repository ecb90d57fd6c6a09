"""Read an artifact of a run by the address of the run's artifacts.

MLflow's other way, by the run's id, asks the tracking server for that address first, which takes ten times as long on a
database, and reports lost connections as missing artifacts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlflow.artifacts import download_artifacts


def read_artifact(artifact_uri: str, path: str, tracking_uri: str) -> bytes:
    """Return the content of a run's artifact.

    Args:
        artifact_uri: of the run's artifacts.
        path: of the artifact among them.
        tracking_uri: of the server that has the run.

    Raises:
        Exception: of a missing artifact or a failed connection; each kind of artifact store has its own errors.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = download_artifacts(f"{artifact_uri}/{path}", dst_path=folder, tracking_uri=tracking_uri)
        return Path(file).read_bytes()
