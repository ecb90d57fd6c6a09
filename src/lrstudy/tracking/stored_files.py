"""Check that a server has stored the files that it was sent: a proxy's answer can look like success."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lrstudy.tracking.calls import LOCAL, LogFiles, LogModel
from lrstudy.tracking.failures import is_transient

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import FileInfo


def check_stored(client: MlflowClient, call: LogFiles | LogModel) -> None:
    """Compare the files of a call that was sent over HTTP with those that the server lists.

    Raises:
        ConnectionError: the server lacks a file, or has it in another size.
        Exception: MLflow's, if the server is unavailable.
    """
    folder = Path(call.folder)
    if not client.tracking_uri.startswith("http"):
        return
    for subfolder in [folder, *filter(Path.is_dir, folder.rglob("*"))]:
        try:
            listed = _listed(client, call, subfolder.relative_to(folder).as_posix())
        except Exception as error:  # each kind of artifact store has its own errors
            if is_transient(error):
                raise
            return  # a store that forbids lists is fine
        sizes = {Path(file.path).name: file.file_size for file in listed}
        for file in filter(Path.is_file, subfolder.iterdir()):
            if sizes.get(file.name, -1) not in (None, file.stat().st_size):
                raise ConnectionError(f"{file.name} was sent, but is not stored")


def _listed(client: MlflowClient, call: LogFiles | LogModel, subfolder: str) -> Iterable[FileInfo]:
    path = None if subfolder == "." else subfolder
    if isinstance(call, LogFiles):
        return client.list_artifacts(call.run, path)
    return client.list_logged_model_artifacts(call.model, path)


def replace_ids_in_files(folder: Path, server_ids: Mapping[str, str]) -> None:
    """Replace the local ids in the files of a folder by the server's."""
    for file in folder.rglob("*"):
        if file.is_file() and LOCAL.encode() in (content := file.read_bytes()):
            for local_id, server_id in server_ids.items():
                content = content.replace(local_id.encode(), server_id.encode())
            file.write_bytes(content)
