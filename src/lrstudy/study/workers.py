"""The processes that a study's trials run in, as a `concurrent.futures.Executor`: another may take their place."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from multiprocessing.connection import wait
from typing import Any

from pebble import CONSTS, ProcessExpired, ProcessPool

# Seconds between two looks of pebble's whether it is to end: with its default each pool's end takes a tenth of one.
CONSTS.sleep_unit = 0.02
# A worker that dies takes the trial that it was at with it, and nothing else.
WORKER_DIED = ProcessExpired


class Workers(Executor):
    """Processes forked from one that has imported PyTorch and nothing else, so that they start at once.

    What dies is replaced; `shutdown` without waiting ends what is running. They end when their parent does.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = self._start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        # A worker that dies in the moment it takes a task breaks pebble's whole pool.
        if not self._pool.active:
            self.shutdown(cancel_futures=True)
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
        return ProcessPool(self._count, initializer=_begin_work, context=context)


def _begin_work() -> None:
    # Ctrl-C is for the parent, which ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
