"""Runs of a journal whose files cannot be stored: their calls move to journals of their own, all others are sent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lrstudy.errors import NotSyncedError
from lrstudy.tracking.calls import Call
from lrstudy.tracking.files_error import FilesError
from lrstudy.tracking.journal import Journal, sync_command


class FilesNotSyncedError(NotSyncedError):
    """Files cannot be stored, and stay in the journals in `folders`; all other calls are sent."""

    def __init__(self, sentences: list[str], folders: list[Path]) -> None:
        super().__init__(" ".join(sentences))
        self.folders = folders


@dataclass
class BlockedRuns:
    """The journal of each blocked run of `server`, and the error of its files."""

    server: str
    journals: dict[str, tuple[Journal, FilesError]]

    def add_run(self, run: str, error: FilesError, server_ids: Mapping[str, str]) -> None:
        """Create the journal of a run whose files cannot be stored.

        Raises:
            OSError: it cannot be written.
        """
        self.journals[run] = Journal.create(self.server, server_ids), error

    def add(self, run: str, call: Call, server_ids: Mapping[str, str]) -> None:
        """Move a call to the journal of its run, with the server's ids of what earlier calls created.

        Raises:
            OSError: it cannot be written.
        """
        journal = self.journals[run][0]
        journal.append(call)
        journal.mark_delivered(0, server_ids)

    def release(self) -> None:
        """Leave the journals to other processes.

        Raises:
            FilesNotSyncedError: a run is blocked.
        """
        if self.journals:
            kept = [keep(self.server, journal, error) for journal, error in self.journals.values()]
            raise FilesNotSyncedError([sentence for sentence, _ in kept], [folder for _, folder in kept])


def keep(server: str, journal: Journal, error: FilesError) -> tuple[str, Path]:
    """Unlock a journal of files that cannot be stored; return a sentence and the journal's folder.

    If the server rejects the files, set the journal aside and end the run as FAILED.
    """
    if not error.rejected:
        journal.release()
        return f"{error}: they are kept in {journal.folder}; {_advice(journal.folder)}", journal.folder
    with suppress(MlflowException):
        MlflowClient(server).set_terminated(error.run, "FAILED")
    folder = journal.set_aside()
    return f"{error}; the server rejects them, and they are kept in {folder}; the run is FAILED.", folder


def _advice(folder: Path) -> str:
    return (
        f"when the store can be written, `{sync_command()}` sends them, and "
        f"`{sync_command()} --discard {folder.name}` discards them."
    )
