"""Check the artifact store of the active experiment before a training logs files to it."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlparse
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from lrstudy.errors import TrackingError
from lrstudy.formatting import join_and, quote
from lrstudy.redaction import redact_credentials
from lrstudy.tracking.experiment import active_experiment
from lrstudy.tracking.failures import failure_reason

# By the scheme of a store's address: a module that MLflow imports for it, and the packages that provide it.
PACKAGES = {
    "s3": ("boto3", "boto3"),
    "r2": ("boto3", "boto3"),
    "b2": ("boto3", "boto3"),
    "gs": ("google.cloud.storage", "google-cloud-storage"),
    "wasbs": ("azure.storage.blob", "azure-storage-blob azure-identity"),
    "abfss": ("azure.storage.filedatalake", "azure-storage-file-datalake azure-identity"),
    "sftp": ("pysftp", "pysftp"),
    "hdfs": ("pyarrow", "pyarrow"),
    "viewfs": ("pyarrow", "pyarrow"),
}
CONTENT = b"written by a training to find out whether its files can be stored here"


def check_artifact_store(client: MlflowClient) -> None:
    """Write a small file to the artifact store of the active experiment, read it back, and delete it.

    Raises:
        TrackingError: the store cannot be used, or needs a package that is not installed.
    """
    experiment = active_experiment(client)
    store = experiment.artifact_location
    beginning = f"the experiment {quote(experiment.name)} stores its artifacts in {redact_credentials(store)}, which"
    scheme = urlparse(store).scheme
    if scheme in PACKAGES and not _is_installed(PACKAGES[scheme][0]):
        packages = PACKAGES[scheme][1]
        needed = join_and(packages.split())
        raise TrackingError(
            f"{beginning} needs {needed}, not installed in this environment; `pip install {packages}` installs it."
        )
    try:
        _write_and_read(get_artifact_repository(store, tracking_uri=client.tracking_uri))
    except Exception as error:  # each kind of artifact store has its own errors
        raise TrackingError(f"{beginning} cannot be used: {failure_reason(error).rstrip('.')}.") from error


def _write_and_read(repository: ArtifactRepository) -> None:
    name = f"lrstudy-{uuid4().hex}.txt"
    with tempfile.TemporaryDirectory(prefix="lrstudy-") as folder:
        written, read = Path(folder, name), Path(folder, "read")
        written.write_bytes(CONTENT)
        repository.log_artifact(str(written))
        read.mkdir()
        try:
            content = Path(repository.download_artifacts(name, str(read))).read_bytes()
        finally:
            with suppress(Exception):  # a store that forbids deletion is fine
                repository.delete_artifacts(name)
    if content != CONTENT:
        raise OSError("a file that was written to it comes back with another content")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package around it
        return False
