"""The agent of a study in a Dask worker, which runs each task in a child process of the worker.

A training in the worker's own process could hold Python's global lock for longer than the scheduler waits for a
heartbeat, and could not be ended when it is cancelled.

The source of this module travels to the workers as text (`lrstudy.cluster.shipped`). There it imports nothing but the
standard library and Dask. Its state is an attribute of the worker, since each task runs a copy of this module.
"""

from __future__ import annotations

import io
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import zipfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# A frame between a worker and its child: its kind, the length of its content, and the content.
HEADER = struct.Struct("!cQ")
INITIALIZER, TASK, CONTROL, PROGRESS, ANSWER = b"I", b"T", b"C", b"P", b"A"
# The kinds of outcomes of a task.
ANSWERED, DIED, CLOSED = "answered", "died", "closed"
ATTRIBUTE = "lrstudy_sessions"
# The variable of a child that holds the folder of the session.
SESSION_FOLDER = "LRSTUDY_SESSION"
MILLISECONDS_BETWEEN_LOOKS = 500
RUNNING = ("running", "paused", "closing_gracefully")
# Evaluates to a `ShippedFunction`, as unpickling it does.
LOAD = "[exec(source, names), names['ShippedFunction'](source, name)][1]"
START = "from lrstudy.cluster.child import serve; serve()"


class ShippedFunction:
    """A function of this module that is pickled with the module's source.

    The scheduler unpickles and pickles it on the way to the worker, possibly with another version of Python.
    """

    def __init__(self, source: str, name: str) -> None:
        self.__wrapped__ = globals()[name]
        self._source = source
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (LOAD, {"source": self._source, "names": {"__name__": __name__}, "name": self._name})


class Child:
    """A child process of a worker, and the folder for its temporary files, which is removed when it ends."""

    def __init__(self, code: str, environment: dict[str, str]) -> None:
        self.folder = tempfile.mkdtemp(prefix="lrstudy-")
        path = os.pathsep.join([code, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(  # noqa: S603 - this worker's own Python
            [sys.executable, "-P", "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=self.folder,
            env={**os.environ, **environment, "PYTHONPATH": path, "TMPDIR": self.folder, SESSION_FOLDER: code},
            start_new_session=True,
        )
        self.initializer = b""
        self._sending, self._poll = threading.Lock(), select.poll()
        self._poll.register(self.process.stdout, select.POLLIN)  # type: ignore[arg-type]

    def send(self, kind: bytes, content: bytes) -> None:
        """Send a frame."""
        frame = memoryview(HEADER.pack(kind, len(content)) + content)
        with self._sending:
            while frame:
                frame = frame[self.process.stdin.write(frame) :]  # type: ignore[union-attr]

    def receive(self) -> tuple[bytes, bytes] | None:
        """Return the next frame, None if there is none within a moment; raise EOFError if the child has ended."""
        if not self._poll.poll(MILLISECONDS_BETWEEN_LOOKS):
            return None
        kind, length = HEADER.unpack(self._read(HEADER.size))
        return kind, self._read(length)

    def _read(self, length: int) -> bytes:
        parts = []
        while length:
            part = self.process.stdout.read(min(length, 2**20))  # type: ignore[union-attr]
            if not part:
                raise EOFError
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def kill(self) -> int:
        """Kill the child and the processes that it started; return the signal that killed it, 0 if it ended itself."""
        ended = self.process.poll() is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()  # type: ignore[union-attr]
        shutil.rmtree(self.folder, ignore_errors=True)
        return -code if ended and code < 0 else 0 if ended else signal.SIGKILL


class Session:
    """The code of a study on a worker, and its children: `idle` ones, and those that run a task, by the task."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}
        self.initializer = b""
        self.idle: list[Child] = []
        self.busy: dict[str, Child] = {}
        self.lock = threading.Lock()

    def take(self, task: str) -> Child:
        """Return a child that waits for a task; start one if there is none."""
        with self.lock:
            while self.idle:
                child = self.idle.pop()
                if child.process.poll() is None:
                    break
                child.kill()
            else:
                child = Child(self.folder, self.environment)
            self.busy[task] = child
        if child.initializer is not self.initializer:
            child.initializer = self.initializer
            child.send(INITIALIZER, self.initializer)
        return child

    def give_back(self, task: str) -> None:
        """Keep the child of a task that has ended for the next one."""
        with self.lock, suppress(KeyError):  # the session was closed
            self.idle.append(self.busy.pop(task))

    def close(self) -> None:
        """Kill all children and remove the code."""
        with self.lock:
            children = [*self.idle, *self.busy.values()]
            self.idle, self.busy = [], {}
        for child in children:
            child.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def open_session(
    session: str,
    code: bytes,
    environment: dict[str, str],
    initializer: bytes,
    packages: list[str],
    dask_worker: Any,
) -> dict[str, Any]:
    """Unpack the code of a study; return the name of the machine, the worker's threads, and versions.

    `code` is a zip archive of the package, `environment` are variables of the children, and `initializer` is sent to
    each before its first task. Of `packages` the versions are returned, empty for one that is not installed.
    """
    sessions = _sessions(dask_worker)
    if session not in sessions:
        folder = tempfile.mkdtemp(prefix="lrstudy-", dir=dask_worker.local_directory)
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            archive.extractall(folder)
        sessions[session] = Session(folder)
    sessions[session].environment, sessions[session].initializer = environment, initializer
    versions = {"python": ".".join(map(str, sys.version_info[:3]))} | {name: _version(name) for name in packages}
    return {"machine": socket.gethostname(), "threads": dask_worker.state.nthreads, "versions": versions}


def run_task(session: str, task: str, content: bytes, topic: str) -> tuple[str, Any]:
    """Run a pickled task in a child; log its progress as events of `topic`.

    Return `ANSWERED` with the child's pickled answer, `DIED` with the signal that killed the child, or `CLOSED`.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    opened = _sessions(worker).get(session)
    if opened is None:
        return CLOSED, None
    child = opened.take(task)
    try:
        child.send(TASK, content)
        while not _is_cancelled(worker, key):
            frame = child.receive()
            if frame and frame[0] == ANSWER:
                opened.give_back(task)
                return ANSWERED, frame[1]
            if frame:
                worker.log_event(topic, {"task": task, "content": frame[1]})
    except (EOFError, OSError, ValueError):  # the last of a pipe that was closed with the session
        pass
    opened.busy.pop(task, None)
    killed_by = child.kill()
    if _is_cancelled(worker, key) and not opened.busy:  # by the end of the driver, which may have been killed
        close_session(session, worker)
    return DIED, killed_by


def control(session: str, task: str, content: bytes, dask_worker: Any) -> None:
    """Send a control message to the child that runs a task."""
    opened = _sessions(dask_worker).get(session)
    child = opened.busy.get(task) if opened else None
    if child:
        with suppress(OSError, ValueError):  # it has just ended
            child.send(CONTROL, content)


def write_chunk(path: str, offset: int, content: bytes) -> None:
    """Write a part of a file."""
    with Path(path).open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.write(content)


def close_session(session: str, dask_worker: Any) -> None:
    """Kill the children of a study and remove its code."""
    if opened := _sessions(dask_worker).pop(session, None):
        opened.close()


def _sessions(worker: Any) -> dict[str, Any]:
    return worker.__dict__.setdefault(ATTRIBUTE, {})  # type: ignore[no-any-return]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _is_cancelled(worker: Any, key: str) -> bool:
    """Return whether the scheduler has dropped a task, or the worker is closing."""
    task = worker.state.tasks.get(key)
    return task is None or task.state == "cancelled" or worker.status.name not in RUNNING
