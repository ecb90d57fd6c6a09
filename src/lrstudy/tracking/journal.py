"""Calls to a tracking server that are stored on disk, in order, until the server answers.

`<cache>/outbox/<name>/journal.jsonl` is only appended to. Its first line names the server and the process that writes;
each further line is a call, or records how many calls were delivered and the server's ids of what they created. Each
line ends with its checksum, so that damage costs only the lines that it hits; a torn end is ignored. Folders of
artifacts are stored beside the file.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from lrstudy import cache_paths
from lrstudy.tracking import owner
from lrstudy.tracking.calls import Call, LogFiles, LogModel, from_json, to_json

JOURNAL_FILE = "journal.jsonl"
# The suffix of the folder of a journal whose calls the server has rejected, or whose lines are damaged.
# It stays as it was first named: such folders exist.
REJECTED = ".refused"


@dataclass(frozen=True)
class JournalContent:
    """A journal's content: the server's address, the process that wrote it, the calls to send, and known server ids.

    `damaged` counts the damaged lines before the end. With one, it is not known which calls were delivered: then all
    calls that can be read are to be sent again, which changes nothing.
    """

    server: str
    owner: str
    calls: Sequence[Call]
    server_ids: Mapping[str, str]
    damaged: int


@dataclass
class Journal:
    """A journal that this process has locked: no other process sends its calls."""

    folder: Path
    _lock: FileLock = field(repr=False)
    _files: int = 0

    @classmethod
    def create(cls, server: str, server_ids: Mapping[str, str]) -> Journal:
        """Create a journal for a server; `server_ids` are those that calls to come may refer to.

        Raises:
            OSError: it cannot be written.
        """
        folder = journals_folder() / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{uuid4().hex[:8]}"
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = cls(folder, _acquire_lock(folder))
        try:
            folder.mkdir(mode=0o700)  # an address can hold a password
            header = {"server": server, "owner": owner.this_process(), "names": dict(server_ids)}
            journal._append_line(json.dumps(header))
        except OSError:
            journal.remove()
            raise
        return journal

    @classmethod
    def open_existing(cls, folder: Path) -> Journal | None:
        """Lock an existing journal; return None if another process has locked it or has removed it."""
        try:
            journal = cls(folder, _acquire_lock(folder))
        except Timeout:
            return None
        if not (folder / JOURNAL_FILE).exists():
            journal.remove()
            return None
        return journal

    def append(self, call: Call) -> Call:
        """Store a call, and move its folder into the journal if it has one; return the call with its new folder.

        Raises:
            OSError: it cannot be written, and the journal is unchanged.
        """
        if not isinstance(call, LogFiles | LogModel):
            self._append_line(to_json(call))
            return call
        stored = self.folder / f"files-{self._files}"
        self._files += 1
        try:
            shutil.copytree(call.folder, stored, copy_function=_copy_to_disk)
        except OSError:
            shutil.rmtree(stored, ignore_errors=True)
            raise
        self._append_line(to_json(replace(call, folder=stored.name)))
        shutil.rmtree(call.folder, ignore_errors=True)
        return replace(call, folder=str(stored))

    def mark_delivered(self, count: int, server_ids: Mapping[str, str]) -> None:
        """Record that the next `count` calls were delivered, and the server's ids of what they created.

        If that cannot be written, they are sent again, which changes nothing.
        """
        with suppress(OSError):
            self._append_line(json.dumps({"made": count, "names": dict(server_ids)}))

    def flush(self) -> None:
        """Wait until the disk has all lines, if it accepts them."""
        with suppress(OSError):
            _sync_to_disk(self.folder / JOURNAL_FILE)

    def set_aside(self) -> Path:
        """Move the journal to a folder that is never sent, and unlock it; return that folder."""
        moved = self.folder.rename(self.folder.with_suffix(REJECTED))
        self.remove()
        return moved

    def remove(self) -> None:
        """Remove the journal, and unlock it."""
        with suppress(OSError):  # the file first: without its folders of artifacts it would be damaged
            (self.folder / JOURNAL_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()
        with suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def release(self) -> None:
        """Unlock the journal for other processes."""
        self._lock.release()

    def _append_line(self, line: str) -> None:
        path = self.folder / JOURNAL_FILE
        size = path.stat().st_size if path.exists() else 0
        try:
            with path.open("ab") as file:
                file.write(f"{line} {_checksum(line.encode())}\n".encode())
        except OSError:  # half a line would damage the next one
            with suppress(OSError):
                os.truncate(path, size)
            raise


def journals_folder() -> Path:
    """Return the folder of all journals."""
    return cache_paths.cache_folder() / "outbox"


def pending_journals() -> list[Path]:
    """Return the folders of the journals that are to be sent, oldest first."""
    folders = (path.parent for path in journals_folder().glob(f"*/{JOURNAL_FILE}"))
    return sorted(folder for folder in folders if folder.suffix != REJECTED)


class DamagedJournalError(ValueError):
    """The first line of a journal, which names its server, is damaged or missing."""


def read_journal(folder: Path) -> JournalContent:
    """Return the content of a journal.

    Raises:
        DamagedJournalError: it is empty, or its first line is damaged.
        ValueError: it was written by another version.
        OSError: it cannot be read.
    """
    lines, damaged = _read_lines(folder / JOURNAL_FILE)
    if not lines or not {"server", "owner", "names"} <= lines[0].keys():
        raise DamagedJournalError(f"{folder / JOURNAL_FILE} is empty or damaged")
    delivered = 0 if damaged else sum(line.get("made", 0) for line in lines)
    server_ids = {local: id_ for line in lines if "call" not in line for local, id_ in line["names"].items()}
    try:
        calls = [_with_full_path(from_json(line), folder) for line in lines if "call" in line]
        return JournalContent(lines[0]["server"], lines[0]["owner"], calls[delivered:], server_ids, damaged)
    except (LookupError, TypeError) as error:
        raise ValueError(f"{folder / JOURNAL_FILE} is not a journal of this version") from error


def sync_command() -> str:
    """Return the shell command that sends all journals from the current folder."""
    script = os.path.relpath(Path(__file__).parents[2] / "sync.py")
    python = shutil.which("python")
    is_this_python = python and Path(python).resolve() == Path(sys.executable).resolve()
    return shlex.join(["python" if is_this_python else sys.executable, script])


def _with_full_path(call: Call, folder: Path) -> Call:
    return replace(call, folder=str(folder / call.folder)) if isinstance(call, LogFiles | LogModel) else call


def _acquire_lock(folder: Path) -> FileLock:
    lock = FileLock(f"{folder}.lock", timeout=0, thread_local=False)
    lock.acquire()
    return lock


def _read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the undamaged lines, and the number of damaged ones before the last undamaged one."""
    lines: list[dict[str, Any]] = []
    damaged = damaged_at_end = 0
    with path.open("rb") as file:
        for raw_line in file:
            line, _, checksum = raw_line.removesuffix(b"\n").rpartition(b" ")
            if raw_line.endswith(b"\n") and checksum.decode("latin-1") == _checksum(line):
                lines.append(json.loads(line))
                damaged, damaged_at_end = damaged + damaged_at_end, 0
            else:
                damaged_at_end += 1
    return lines, damaged


def _checksum(line: bytes) -> str:
    return f"{zlib.crc32(line):08x}"


def _copy_to_disk(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    _sync_to_disk(Path(target))


def _sync_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
