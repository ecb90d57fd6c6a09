"""The child process of a Dask worker, which runs the tasks of a study one after another.

Frames come on its standard input and leave on its standard output, as `lrstudy.cluster.agent` reads and writes them.
The output of code goes to standard error, and so to the worker's log.
"""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from lrstudy.cli import output
from lrstudy.cluster.agent import ANSWER, CONTROL, HEADER, INITIALIZER, PROGRESS
from lrstudy.compat.processes import ignore_interrupts
from lrstudy.crash_safe_pool import pickled_outcome
from lrstudy.study.progress_channel import ProgressChannel
from lrstudy.study.trial_job import TrialJob

# A child that waits longer for a task ends: its driver may have been killed.
MAX_IDLE_SECONDS = 600.0
# The variable that holds the seconds between messages to the driver.
RELAY_SECONDS = "LRSTUDY_RELAY_SECONDS"

Frame = tuple[bytes, bytes]


def serve() -> None:
    """Run tasks until the worker ends, or sends none for `MAX_IDLE_SECONDS`."""
    to_worker = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    output.make_failsafe()
    ignore_interrupts()
    tasks: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    writing = threading.Lock()

    def send(kind: bytes, content: bytes) -> None:
        with writing:
            to_worker.write(HEADER.pack(kind, len(content)))
            to_worker.write(content)
            to_worker.flush()

    with ProgressChannel() as channel:
        threading.Thread(target=_receive, args=(sys.stdin.buffer, tasks, channel), daemon=True).start()
        threading.Thread(target=_relay, args=(channel, send), daemon=True).start()
        while True:
            try:
                kind, content = tasks.get(timeout=MAX_IDLE_SECONDS)
            except queue.Empty:
                _end()
            outcome = pickled_outcome(partial(_run, content, channel.address))
            if kind != INITIALIZER:
                send(ANSWER, bytes(outcome))


def _receive(from_worker: BinaryIO, tasks: queue.SimpleQueue[Frame], channel: ProgressChannel) -> None:
    """Queue the tasks of the worker and pass on its stop requests; end this process when the worker ends."""
    while header := from_worker.read(HEADER.size):
        kind, length = HEADER.unpack(header)
        content = from_worker.read(length)
        if kind == CONTROL:
            channel.request_stop(*pickle.loads(content))  # noqa: S301 - from the driver, whose tasks run here
        else:
            tasks.put((kind, content))
    _end()


def _end() -> NoReturn:
    """End this process, and remove the temporary folder that the worker made for it."""
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    os._exit(0)


def _relay(channel: ProgressChannel, send: Callable[[bytes, bytes], None]) -> None:
    """Pass on progress messages, several at a time."""
    seconds = float(os.environ[RELAY_SECONDS])
    while True:
        if messages := list(channel.messages()):
            send(PROGRESS, pickle.dumps(messages))
        time.sleep(seconds)


def _run(content: bytes, progress_address: Path) -> Any:
    """Run a pickled task; the progress of a trial goes to `progress_address`."""
    task: partial[Any] = pickle.loads(content)  # noqa: S301 - from the driver, whose tasks run here
    arguments = [
        replace(argument, progress_address=progress_address) if isinstance(argument, TrialJob) else argument
        for argument in task.args
    ]
    return task.func(*arguments, **task.keywords)
