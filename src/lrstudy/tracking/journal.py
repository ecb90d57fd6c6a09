"""Calls to a tracking server that wait on disk, in order, until the server answers.

`<cache>/outbox/<name>/journal.jsonl` grows line by line and is never changed: first the server, then calls, and between
them how many have been made and what the server called what they made. Folders of artifacts lie beside it. A line ends
with its checksum. What a process that is killed leaves is whole but for its end, which is not read if it is torn.
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
# The ending of the folder of one that holds calls which the server has refused, or lines that were damaged.
REFUSED = ".refused"


@dataclass(frozen=True)
class JournalContent:
    """What a journal holds: the server's server_address, the process that wrote it, and what it has still to be told.

    `damaged` counts the lines between others that are not as they were written. Of calls that were made it is then not
    known which they were: all that can be read are to be made again, which changes nothing.
    """

    server: str
    owner: str
    calls: Sequence[Call]
    names: Mapping[str, str]
    damaged: int


@dataclass
class Journal:
    """A journal that this process is at, alone: nobody else sends what it holds."""

    folder: Path
    _lock: FileLock = field(repr=False)
    _files: int = 0

    @classmethod
    def create(cls, server: str, names: Mapping[str, str]) -> Journal:
        """A new one for a server; `names` are the server's for what the calls to come may speak of.

        Raises:
            OSError: it cannot be written.
        """
        folder = journals_folder() / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{uuid4().hex[:8]}"
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = cls(folder, _locked(folder))
        try:
            folder.mkdir(mode=0o700)  # an address can hold a password
            journal._write_line(json.dumps({"server": server, "owner": owner.this_process(), "names": dict(names)}))
        except OSError:
            journal.remove()
            raise
        return journal

    @classmethod
    def open_existing(cls, folder: Path) -> Journal | None:
        """One that is there; None where another process is at it, or has done with it."""
        try:
            journal = cls(folder, _locked(folder))
        except Timeout:
            return None
        if not (folder / JOURNAL_FILE).exists():
            journal.remove()
            return None
        return journal

    def append(self, call: Call) -> Call:
        """Writes down a call, and takes over its folder if it has one; gives the call with the new place of that.

        Raises:
            OSError: it cannot be written, and the journal is as it was.
        """
        if isinstance(call, LogFiles | LogModel):
            kept = self.folder / f"files-{self._files}"
            self._files += 1
            try:
                shutil.copytree(call.folder, kept, copy_function=_copied)
            except OSError:
                shutil.rmtree(kept, ignore_errors=True)
                raise
            self._write_line(to_json(replace(call, folder=kept.name)))
            shutil.rmtree(call.folder, ignore_errors=True)
            return replace(call, folder=str(kept))
        self._write_line(to_json(call))
        return call

    def mark_delivered(self, count: int, names: Mapping[str, str]) -> None:
        """Writes down that the next `count` calls have been made, and what the server called what they made.

        Where that fails they will be made again, which changes nothing.
        """
        with suppress(OSError):
            self._write_line(json.dumps({"made": count, "names": dict(names)}))

    def flush(self) -> None:
        """Returns when what was written is on the disk, as far as it takes it."""
        with suppress(OSError):
            _save(self.folder / JOURNAL_FILE)

    def set_aside(self) -> Path:
        """Puts it where nobody sends it any more, and lets go of it; gives its new folder."""
        kept = self.folder.rename(self.folder.with_suffix(REFUSED))
        self.remove()
        return kept

    def remove(self) -> None:
        """Removes it, and lets go of it."""
        with suppress(OSError):  # the journal first: without its folders of artifacts it would be damaged
            (self.folder / JOURNAL_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()
        with suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def release(self) -> None:
        """Leaves it to others."""
        self._lock.release()

    def _write_line(self, line: str) -> None:
        path = self.folder / JOURNAL_FILE
        whole = path.stat().st_size if path.exists() else 0
        try:
            with path.open("ab") as file:
                file.write(f"{line} {_checksum(line.encode())}\n".encode())
        except OSError:  # no half line stays, or what follows it would be lost
            with suppress(OSError):
                os.truncate(path, whole)
            raise


def journals_folder() -> Path:
    """The folder of all journals."""
    return cache_paths.cache_folder() / "outbox"


def pending_journals() -> list[Path]:
    """The folders of the journals that are there, by the time they were begun."""
    folders = (path.parent for path in journals_folder().glob(f"*/{JOURNAL_FILE}"))
    return sorted(folder for folder in folders if folder.suffix != REFUSED)


def read_journal(folder: Path) -> JournalContent:
    """What a journal holds.

    Raises:
        ValueError: it is no journal, or of another version.
        OSError: it cannot be read.
    """
    lines, damaged = _lines(folder / JOURNAL_FILE)
    made = 0 if damaged else sum(line.get("made", 0) for line in lines)
    names = {local: name for line in lines if "call" not in line for local, name in line["names"].items()}
    try:
        calls = [_placed(from_json(line), folder) for line in lines if "call" in line]
        return JournalContent(lines[0]["server"], lines[0]["owner"], calls[made:], names, damaged)
    except (LookupError, TypeError) as error:
        raise ValueError(f"{folder / JOURNAL_FILE} is no journal of this version") from error


def sync_command() -> str:
    """What to type, here, to have all of them sent."""
    script = os.path.relpath(Path(__file__).parents[2] / "sync.py")
    python = shutil.which("python")
    this = python and Path(python).resolve() == Path(sys.executable).resolve()
    return shlex.join(["python" if this else sys.executable, script])


def _placed(call: Call, folder: Path) -> Call:
    return replace(call, folder=str(folder / call.folder)) if isinstance(call, LogFiles | LogModel) else call


def _locked(folder: Path) -> FileLock:
    lock = FileLock(f"{folder}.lock", timeout=0, thread_local=False)
    lock.acquire()
    return lock


def _lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The lines that are as they were written, and how many are not; what is torn at the end is not counted."""
    lines: list[dict[str, Any]] = []
    damaged = since_then = 0
    with path.open("rb") as file:
        for written_line in file:
            line, _, checksum = written_line.removesuffix(b"\n").rpartition(b" ")
            if written_line.endswith(b"\n") and checksum.decode("latin-1") == _checksum(line):
                lines.append(json.loads(line))
                damaged, since_then = damaged + since_then, 0
            else:
                since_then += 1
    return lines, damaged


def _checksum(line: bytes) -> str:
    return f"{zlib.crc32(line):08x}"


def _copied(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    _save(Path(target))


def _save(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
