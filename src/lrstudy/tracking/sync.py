"""Send the log calls that earlier trainings and studies have left in journals on this machine."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient

from lrstudy.compat.mlflow_internals import disable_retries, request_timeout, set_request_timeout
from lrstudy.errors import NotSyncedError, TrackingError
from lrstudy.formatting import pluralize
from lrstudy.redaction import first_line, redact_credentials
from lrstudy.tracking import owner
from lrstudy.tracking.availability import MAX_TIMEOUT_SECONDS
from lrstudy.tracking.calls import next_batch
from lrstudy.tracking.delivery import deliver
from lrstudy.tracking.failures import failure_reason, is_transient
from lrstudy.tracking.journal import (
    JOURNAL_FILE,
    Journal,
    JournalContent,
    pending_journals,
    read_journal,
    sync_command,
)
from lrstudy.tracking.owner import OwnerState

SECONDS_BETWEEN_TRIES = 0.2


def sync_all() -> list[str]:
    """Send all journals on this machine, of every server; return sentences for the user.

    Raises:
        NotSyncedError: some calls could not be sent.
    """
    disable_retries()
    reports, failures = [], []
    for folder in pending_journals():
        journal = Journal.open_existing(folder)
        if journal is None:
            reports.append(f"{folder}: in use by another process, which sends it when its server can be used")
            continue
        try:
            reports.append(_sync(journal))
        except NotSyncedError as error:
            failures.append(str(error))
    if failures:
        raise NotSyncedError(" ".join(failures))
    return reports or ["nothing to sync"]


def sync_server(server: str) -> None:
    """Send the journals that dead processes have left for a server, before runs on it are taken over.

    Raises:
        TrackingError: some calls could not be sent; a resumed training would log the same again.
    """
    for folder in pending_journals():
        try:
            content = read_journal(folder)
        except (OSError, ValueError):  # `sync_all` reports it
            continue
        if content.server == server and (journal := _wait_for_journal(folder, content.owner)):
            try:
                report = _sync(journal)
            except NotSyncedError as error:
                if (folder / JOURNAL_FILE).exists():
                    raise TrackingError(str(error)) from error
                report = str(error)
            print(report, file=sys.stderr, flush=True)


def _wait_for_journal(folder: Path, journal_owner: str) -> Journal | None:
    """Lock a journal once no other process sends it; return None if it is sent by then, or its owner is alive."""
    while (journal := Journal.open_existing(folder)) is None and folder.exists():
        if owner.owner_state(journal_owner) is OwnerState.ALIVE:
            return None
        time.sleep(SECONDS_BETWEEN_TRIES)
    return journal


def _sync(journal: Journal) -> str:
    """Send the calls of a journal, and remove it; return a sentence for the user.

    Raises:
        NotSyncedError: the server is unavailable or rejects calls, or lines are damaged.
    """
    try:
        content = read_journal(journal.folder)
        rejections = _deliver_all(journal, content)
    except (OSError, ValueError) as error:
        journal.release()
        raise NotSyncedError(f"{journal.folder} cannot be sent: {first_line(error)}.") from error
    except BaseException:
        journal.release()
        raise
    return _finish(journal, content, rejections)


def _finish(journal: Journal, content: JournalContent, rejections: list[Exception]) -> str:
    """Remove a journal that was sent whole, and return a sentence; set it aside and raise NotSyncedError otherwise."""
    server, count = redact_credentials(content.server), pluralize(len(content.calls), "log call")
    if content.damaged:
        folder = journal.set_aside()
        raise NotSyncedError(
            f"{pluralize(content.damaged, 'line')} of {folder / JOURNAL_FILE} changed on the disk and cannot be sent; "
            f"{len(content.calls) - len(rejections)} of the {count} in the others sent to the tracking server {server}."
        )
    if rejections:
        raise NotSyncedError(
            f"the tracking server {server} rejects {len(rejections)} of {count}, kept in {journal.set_aside()}: "
            f"{first_line(rejections[0])}."
        )
    journal.remove()
    return f"{count} sent to the tracking server {server}"


def _deliver_all(journal: Journal, content: JournalContent) -> list[Exception]:
    """Send the calls of a journal; return MLflow's errors for those that the server rejects."""
    client, rejections = MlflowClient(content.server), list[Exception]()
    server_ids, calls = dict(content.server_ids), deque(content.calls)
    try:
        _check_database_exists(content.server)
        deliver(client, [], server_ids, rejections, is_retry=True)
        with _long_timeout():
            while calls:
                batch, count = next_batch(calls)
                created = deliver(client, batch, server_ids, rejections, is_retry=True)
                server_ids |= created
                journal.mark_delivered(count, created)
                for _ in range(count):
                    calls.popleft()
    except Exception as error:
        if not is_transient(error):
            raise
        server, waiting = redact_credentials(content.server), pluralize(len(calls), "log call")
        raise NotSyncedError(
            f"the tracking server {server} cannot be used ({failure_reason(error)}): {waiting} for it queued in "
            f"{journal.folder}; when it is back, `{sync_command()}` sends them."
        ) from error
    return rejections


@contextmanager
def _long_timeout() -> Iterator[None]:
    """Give large files time to be sent."""
    timeout = request_timeout()
    set_request_timeout(MAX_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        set_request_timeout(timeout)


def _check_database_exists(server: str) -> None:
    """Raise FileNotFoundError for an SQLite database that was removed: MLflow would make a new one."""
    database = server.removeprefix("sqlite:///")
    if database != server and not Path(database).exists():
        raise FileNotFoundError(f"{database} does not exist")
