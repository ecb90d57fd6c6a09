"""List and discard the log calls that are queued on this machine."""

from __future__ import annotations

from pathlib import Path

from lrstudy.errors import SettingsError
from lrstudy.formatting import pluralize, quote, setting_error
from lrstudy.redaction import redact_credentials
from lrstudy.tracking.calls import run_of, waits_for_files
from lrstudy.tracking.failures import failure_reason
from lrstudy.tracking.journal import (
    JOURNAL_FILE,
    REJECTED,
    Journal,
    JournalContent,
    journals_folder,
    pending_journals,
    read_journal,
)

SHOWN_RUNS = 3


def describe_journals() -> list[str]:
    """Return a line for each journal: its id, its content, and its server."""
    return [_describe(folder) for folder in _all_journals()] or ["nothing is queued"]


def discard(journal_id: str) -> str:
    """Delete a journal with its log calls and files; return a sentence that describes it.

    Raises:
        SettingsError: there is no such journal, a process uses it, or it cannot be deleted.
    """
    folder = next((folder for folder in _all_journals() if folder.name == journal_id), None)
    if folder is None:
        known = ", ".join(quote(folder.name) for folder in _all_journals()) or "none"
        raise SettingsError(setting_error("discard", journal_id, f"is not the id of queued calls; there is {known}."))
    description = _describe(folder)
    try:
        journal = Journal.open_existing(folder)
    except OSError as error:
        raise SettingsError(
            setting_error("discard", journal_id, f"cannot be deleted: {failure_reason(error)}.")
        ) from None
    if journal is None:
        raise SettingsError(setting_error("discard", journal_id, "is in use by a running process."))
    journal.remove()
    if folder.exists():
        raise SettingsError(setting_error("discard", journal_id, f"cannot be deleted; it is in {folder}."))
    return f"discarded {description}"


def discard_superseded(run_id: str) -> bool:
    """Delete the queued calls of a run that wait for its files, since the run is about to be trained again.

    Returns:
        False if calls of the run stay queued, so that a new training would log some things twice.
    """
    return all(_discard_superseded(folder, run_id) for folder in pending_journals())


def _discard_superseded(folder: Path, run_id: str) -> bool:
    try:
        content = read_journal(folder)
        runs = _runs(content)
        if run_id not in runs:
            return True
        if runs != [run_id] or not all(map(waits_for_files, content.calls)):
            return False
        if journal := Journal.open_existing(folder):
            journal.remove()
        return not folder.exists()
    except ValueError:  # damaged, or of another version
        return True
    except OSError:  # it cannot be deleted here
        return False


def _all_journals() -> list[Path]:
    return sorted(path.parent for path in journals_folder().glob(f"*/{JOURNAL_FILE}"))


def _describe(folder: Path) -> str:
    try:
        content = read_journal(folder)
    except (OSError, ValueError) as error:
        return f"{folder.name}  {failure_reason(error)}"
    state = "  rejected by the server or damaged" if folder.suffix == REJECTED else ""
    runs = _runs(content)
    more = f" and {len(runs) - SHOWN_RUNS} more" if len(runs) > SHOWN_RUNS else ""
    of_runs = f" of run {', '.join(runs[:SHOWN_RUNS])}{more}" if runs else ""
    return (
        f"{folder.name}  {pluralize(len(content.calls), 'log call')}{of_runs}, {_megabytes(folder):.1f} MB, "
        f"for {redact_credentials(content.server)}{state}"
    )


def _runs(content: JournalContent) -> list[str]:
    return list(dict.fromkeys(content.server_ids.get(run_of(call), run_of(call)) for call in content.calls))


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
