"""The processes that a study's trials run in, as a `concurrent.futures.Executor`: another may take their place."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future
from multiprocessing.managers import SyncManager
from pathlib import Path
from queue import Queue
from typing import Any

from pebble import ProcessExpired, ProcessPool

# A worker that dies takes the trial that it was at with it, and nothing else.
WORKER_DIED = ProcessExpired


class Workers(Executor):
    """Processes forked from one that has imported PyTorch and nothing else, so that they start at once.

    What dies is replaced; `shutdown` without waiting ends what is running.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = self._start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        # A worker that dies in the moment it takes a task breaks pebble's whole pool.
        if not self._pool.active:
            self._pool = self._start()
        return self._pool.schedule(function, args=arguments, kwargs=named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if wait and not cancel_futures:
            self._pool.close()  # type: ignore[no-untyped-call]
        else:
            self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _start(self) -> ProcessPool:
        context = multiprocessing.get_context("forkserver")
        return ProcessPool(self._count, initializer=_leave_interrupts_to_the_parent, context=context)


def import_ahead() -> None:
    """Starts the process that workers are forked from, which imports what they need while this one imports its own."""
    from multiprocessing import forkserver

    source = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    multiprocessing.get_context("forkserver").set_forkserver_preload(["lrstudy.trial"])
    forkserver.ensure_running()


def open_mailbox() -> tuple[SyncManager, Queue[Any]]:
    """A queue that can be sent to any process, and the manager to close when it is no longer needed."""
    manager = multiprocessing.get_context("forkserver").Manager()
    return manager, manager.Queue()


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
