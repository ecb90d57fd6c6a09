"""Work on every core in processes that may die of it: what kills its process is known, and the rest goes on.

`concurrent.futures` and pebble both give up the whole pool when a process dies in the wrong moment.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from lrstudy.errors import DataError

Task = TypeVar("Task")
Answer = TypeVar("Answer")
# Enough for an image of 100 megapixels.
MIN_MEMORY = 2 * 2**30


@dataclass(frozen=True)
class Died:
    """The process that worked on a task ended, killed by `signal` (0: it ended by itself)."""

    signal: int


@dataclass(frozen=True, eq=False)
class _Worker:
    process: BaseProcess
    channel: Connection


def imap_unordered(
    tasks: deque[Task], work: Callable[[Task], Answer], processes: int
) -> Iterator[tuple[Task, Answer | Died]]:
    """Yields each task with its answer, or with how the process died that worked on it; in no order.

    Args:
        tasks: taken from the left; the caller may add to them while this runs.
        work: called with each task, in one of the processes. What it raises is raised here.
        processes: how many work at once.

    Raises:
        DataError: the processes do not start.
    """
    idle: list[_Worker] = []
    busy: dict[Connection, tuple[_Worker, Task | None]] = {}  # None: starting
    try:
        while tasks or busy:
            for _ in range(min(len(tasks), len(idle))):
                worker = idle.pop()
                busy[worker.channel] = worker, _give(worker, tasks.popleft())
            starting = sum(task is None for _, task in busy.values())
            for _ in range(min(len(tasks) - starting, processes - len(busy))):
                worker = _start(work, processes)
                busy[worker.channel] = worker, None
            ready = wait(list(busy))
            for channel in [one for one in busy if one in ready]:
                worker, task = busy.pop(channel)
                answer = _receive(worker)
                if not isinstance(answer, Died):
                    idle.append(worker)
                elif task is None:
                    raise DataError("the processes that decode images do not start; is there memory for them?")
                if isinstance(answer, Exception):
                    raise answer
                if task is not None:
                    yield task, answer
    finally:
        _dismiss([*idle, *(worker for worker, _ in busy.values())])


def _start(work: Callable[[Task], Answer], processes: int) -> _Worker:
    # Not forked, since a copy of a process that has threads, as this may, can hang on their locks.
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs, work, processes), daemon=True)
    with _without_interrupts():
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C waits until this is over, and a process that is started meanwhile will never hear of it.

    It is for the first process, which ends the others; answering it themselves, they would each show a traceback.
    """
    came: list[int] = []
    if in_main := threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    # Which lifts the mask when it starts: not later than this.
    resource_tracker.ensure_running()
    # The mask is inherited by what is started, as a handler is not.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if in_main:
            signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)


def _give(worker: _Worker, task: Task) -> Task:
    with suppress(ConnectionError):  # It died while it was idle: noticed when its answer is awaited.
        worker.channel.send(task)
    return task


def _receive(worker: _Worker) -> Any:
    try:
        return worker.channel.recv()
    except (EOFError, OSError):
        worker.process.join()
        worker.channel.close()
        return Died(max(0, -(worker.process.exitcode or 0)))


def _dismiss(crew: list[_Worker]) -> None:
    for worker in crew:
        worker.process.kill()
    for worker in crew:
        worker.process.join()
        worker.channel.close()


def _serve(channel: Connection, work: Callable[[Task], Answer], processes: int) -> None:
    """The life of a process: it ends when its parent is gone, even if that was killed."""
    # What C libraries say of damaged files is not for the terminal.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    _limit_memory(processes)
    with suppress(EOFError, ConnectionError):
        channel.send(None)
        while True:
            task = channel.recv()
            try:
                answer: Answer | Exception = work(task)
            except Exception as error:
                answer = error
            channel.send(answer)


def _limit_memory(processes: int) -> None:
    """All processes together get no more than the machine has: one too large an image fails, and not the machine."""
    page = os.sysconf("SC_PAGE_SIZE")
    share = max(page * os.sysconf("SC_PHYS_PAGES") // processes, MIN_MEMORY)
    with suppress(ValueError, OSError):  # a lower limit is in force, or the system tells no process's size
        size = page * int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size + share, hard))
