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
from lrstudy.tracking.blocked_runs import BlockedRuns, FilesNotSyncedError, keep
from lrstudy.tracking.calls import Call, next_batch, run_of, waits_for_files
from lrstudy.tracking.delivery import deliver
from lrstudy.tracking.failures import failure_reason
from lrstudy.tracking.files_error import FilesError
from lrstudy.tracking.journal import (
    JOURNAL_FILE,
    DamagedJournalError,
    Journal,
    JournalContent,
    pending_journals,
    read_journal,
    sync_command,
)
from lrstudy.tracking.owner import OwnerState

SECONDS_BETWEEN_TRIES = 0.2
# The journals that this process could not send although their server can be used: it tries them only once.
_not_sent: set[Path] = set()


class ServerAwayError(NotSyncedError):
    """The server of a journal cannot be used."""


def sync_all() -> list[str]:
    """Send all journals on this machine, of every server; return sentences for the user.

    Raises:
        NotSyncedError: some calls could not be sent.
    """
    disable_retries()
    reports, failures = [], []
    for folder in pending_journals():
        try:
            journal = Journal.open_existing(folder)
            if journal is None:
                reports.append(f"{folder}: in use by another process, which sends it when its server can be used")
            else:
                reports.append(_sync(journal))
        except NotSyncedError as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(_local_fault(folder, error))
    if failures:
        raise NotSyncedError(" ".join(failures))
    return reports or ["nothing to sync"]


def sync_server(server: str) -> None:
    """Send the journals that dead processes have left for a server, before runs on it are taken over.

    Calls that cannot be sent for another reason than an unavailable server are reported once, and block no other run.

    Raises:
        TrackingError: the server cannot be used; a resumed training would log the same again.
    """
    for folder in pending_journals():
        try:
            content = read_journal(folder)
        except (OSError, ValueError):  # `sync_all` reports it
            continue
        if content.server == server and folder not in _not_sent and (report := _sync_left(folder, content)):
            print(report, file=sys.stderr, flush=True)


def _sync_left(folder: Path, content: JournalContent) -> str | None:
    """Send a journal unless its owner is alive; return a sentence if it was tried.

    Raises:
        TrackingError: the server cannot be used.
    """
    try:
        journal = _wait_for_journal(folder, content.owner)
        return _sync(journal) if journal else None
    except ServerAwayError as error:
        raise TrackingError(str(error)) from error
    except FilesNotSyncedError as error:
        _not_sent.update(error.folders)
        return str(error)
    except NotSyncedError as error:
        return str(error)
    except OSError as error:
        _not_sent.add(folder)
        return _local_fault(folder, error)


def _local_fault(folder: Path, error: OSError) -> str:
    """Return a sentence on a journal that cannot be sent because of this machine, not of its server."""
    return (
        f"the log calls in {folder} cannot be sent, since that folder cannot be read or written here "
        f"({failure_reason(error)}); when it can, `{sync_command()}` sends them."
    )


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
        NotSyncedError: the server is unavailable or rejects calls, files cannot be stored, or lines are damaged.
        OSError: the journal cannot be read or written.
    """
    try:
        content = read_journal(journal.folder)
        blocked = BlockedRuns(content.server, {})
        rejections = _deliver_all(journal, content, blocked)
        sentence = _finish(journal, content, rejections)
        blocked.release()
        return sentence
    except FilesError as error:  # all remaining calls wait for these files
        sentence, folder = keep(content.server, journal, error)
        raise FilesNotSyncedError([sentence], [folder]) from error
    except DamagedJournalError as error:
        raise NotSyncedError(f"{error}, and cannot be sent: it is kept in {journal.set_aside()}.") from error
    except ValueError as error:
        raise NotSyncedError(f"{journal.folder} cannot be sent: {first_line(error)}.") from error
    finally:
        journal.release()


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


def _deliver_all(journal: Journal, content: JournalContent, blocked: BlockedRuns) -> list[Exception]:
    """Send the calls of a journal; return MLflow's errors for those that the server rejects.

    Args:
        journal: of the calls.
        content: of the journal.
        blocked: receives the calls of runs whose files cannot be stored.

    Raises:
        FilesError: all calls that are left wait for files of one run, which cannot be stored.
        ServerAwayError: the server is unavailable.
        OSError: a journal cannot be written.
    """
    client, rejections = MlflowClient(content.server), list[Exception]()
    server_ids, calls = dict(content.server_ids), deque(content.calls)
    with _long_timeout(), _server_away(content.server, journal.folder, calls):
        _check_database_exists(content.server)
        deliver(client, [], server_ids, rejections, is_retry=True)
    while calls:
        batch, count = next_batch(calls)
        run = server_ids.get(run_of(batch[0]), run_of(batch[0]))
        created: dict[str, str] = {}
        if run in blocked.journals and waits_for_files(batch[0]):
            blocked.add(run, batch[0], server_ids)
        else:
            try:
                with _long_timeout(), _server_away(content.server, journal.folder, calls):
                    created = deliver(client, batch, server_ids, rejections, is_retry=True)
            except FilesError as error:
                if all(waits_for_files(call) and run_of(call) == run_of(batch[0]) for call in calls):
                    raise
                blocked.add_run(run, error, server_ids)
                blocked.add(run, batch[0], server_ids)
        server_ids |= created
        journal.mark_delivered(count, created)
        for _ in range(count):
            calls.popleft()
    return rejections


@contextmanager
def _server_away(address: str, folder: Path, calls: deque[Call]) -> Iterator[None]:
    """Turn all errors but those of files into a ServerAwayError: `calls` for a server stay in `folder`."""
    try:
        yield
    except FilesError:
        raise
    except Exception as error:
        server, waiting = redact_credentials(address), pluralize(len(calls), "log call")
        raise ServerAwayError(
            f"the tracking server {server} cannot be used ({failure_reason(error)}): {waiting} for it queued in "
            f"{folder}; when it is back, `{sync_command()}` sends them."
        ) from error


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
