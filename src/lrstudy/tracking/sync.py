"""Sends what a training or a study could not tell its tracking server."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient

from lrstudy.errors import NotSyncedError, TrackingError
from lrstudy.formatting import pluralize
from lrstudy.redaction import redact_credentials
from lrstudy.tracking import owner
from lrstudy.tracking.calls import next_batch
from lrstudy.tracking.delivery import MAX_TIMEOUT_SECONDS, TIMEOUT, TIMEOUT_SECONDS, deliver, disable_retries
from lrstudy.tracking.failures import failure_reason, is_transient
from lrstudy.tracking.journal import JOURNAL_FILE, Journal, JournalContent, pending_journals, read_journal, sync_command
from lrstudy.tracking.owner import OwnerState

SECONDS_BETWEEN_LOOKS = 0.2


def sync_all() -> list[str]:
    """Sends all that waits on this machine, whatever server it is for; gives sentences on what was sent.

    Raises:
        NotSyncedError: something could not be sent.
    """
    disable_retries()
    said, failed = [], []
    for folder in pending_journals():
        journal = Journal.open_existing(folder)
        if journal is None:
            said.append(f"{folder}: another process is at it, and sends it when its server can be used")
            continue
        try:
            said.append(_send(journal))
        except NotSyncedError as error:
            failed.append(str(error))
    if failed:
        raise NotSyncedError(" ".join(failed))
    return said or ["nothing waits to be sent"]


def sync_server(server: str) -> None:
    """Sends what dead processes have left for a server, before it is asked what became of their runs.

    Raises:
        TrackingError: something waits still: it would come twice, where a training that goes on had said it again.
    """
    for folder in pending_journals():
        try:
            kept = read_journal(folder)
        except (OSError, ValueError):  # which `sync_all` speaks of
            continue
        if kept.server == server and (journal := _taken(folder, kept.owner)):
            try:
                said = _send(journal)
            except NotSyncedError as error:
                if (folder / JOURNAL_FILE).exists():
                    raise TrackingError(str(error)) from error
                said = str(error)
            print(said, file=sys.stderr, flush=True)


def _taken(folder: Path, whose: str) -> Journal | None:
    """A journal, when no other process sends it any more; None where that is done, or its process is alive."""
    while (
        (journal := Journal.open_existing(folder)) is None
        and folder.exists()
        and owner.owner_state(whose) is not OwnerState.ALIVE
    ):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return journal


def _send(journal: Journal) -> str:
    """Sends what a journal holds, and removes it; gives a sentence.

    Raises:
        NotSyncedError: the server cannot be used, or refuses some of it, or some of it cannot be read.
    """
    folder = journal.folder
    try:
        kept = read_journal(folder)
        refused = _deliver(journal, kept)
    except (OSError, ValueError) as error:
        journal.release()
        raise NotSyncedError(f"{folder} cannot be sent: {error}.") from error
    except BaseException:
        journal.release()
        raise
    server, count = redact_credentials(kept.server), pluralize(len(kept.calls), "message")
    if kept.damaged:
        stays = journal.set_aside()
        raise NotSyncedError(
            f"{pluralize(kept.damaged, 'line')} of {stays / JOURNAL_FILE} changed on the disk and cannot be sent; "
            f"{len(kept.calls) - len(refused)} of the {count} in the others are sent to the tracking server {server}."
        )
    if not refused:
        journal.remove()
        return f"{count} sent to the tracking server {server}"
    raise NotSyncedError(
        f"the tracking server {server} refuses {len(refused)} of {count}, which stay in {journal.set_aside()}: "
        f"{redact_credentials(str(refused[0]).splitlines()[0])}."
    )


def _deliver(journal: Journal, kept: JournalContent) -> list[Exception]:
    """Makes the calls of a journal; gives what MLflow raised for those that the server refuses."""
    client, refused = MlflowClient(kept.server), list[Exception]()
    names, calls = dict(kept.names), deque(kept.calls)
    try:
        _check_there(kept.server)
        deliver(client, [], names, refused, again=True)
        with _time_for_large_files():
            while calls:
                batch, count = next_batch(calls)
                made = deliver(client, batch, names, refused, again=True)
                names |= made
                journal.mark_delivered(count, made)
                for _ in range(count):
                    calls.popleft()
    except Exception as error:
        if not is_transient(error):
            raise
        server, waiting = redact_credentials(kept.server), pluralize(len(calls), "message")
        raise NotSyncedError(
            f"the tracking server {server} cannot be used ({failure_reason(error)}): {waiting} for it "
            f"in {journal.folder} wait; when it is back, `{sync_command()}` sends them."
        ) from error
    return refused


@contextmanager
def _time_for_large_files() -> Iterator[None]:
    before = os.environ.get(TIMEOUT, str(TIMEOUT_SECONDS))
    os.environ[TIMEOUT] = str(MAX_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        os.environ[TIMEOUT] = before


def _check_there(server: str) -> None:
    """Keeps MLflow from making a database where there was one that is gone."""
    database = server.removeprefix("sqlite:///")
    if database != server and not Path(database).exists():
        raise FileNotFoundError(f"there is no {database}")
