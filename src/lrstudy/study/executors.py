"""The executor that runs the trials of a study.

To run them elsewhere, such as on a cluster, return another `concurrent.futures.Executor` from `open_executor`. A study
asks three things of it:

- `submit` pickles the arguments and runs a function of `lrstudy.study.worker_tasks` where this package is importable;
- a `Future` whose worker died fails with `BrokenExecutor` or a class derived from it: its trial is then retried;
- `shutdown(cancel_futures=True)` ends what runs.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from lrstudy.crash_safe_pool import CrashSafePool


@contextmanager
def open_executor(workers: int) -> Iterator[Executor]:
    """Yield the executor of a study's trials, which runs `workers` of them at a time; end it with the `with` block."""
    executor = local_processes(workers)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def local_processes(count: int) -> CrashSafePool:
    """Return processes forked from one that has imported PyTorch and nothing else, so that they start at once.

    They work in the current folder and with the current environment, which may have changed since the fork server
    started.
    """
    context = multiprocessing.get_context("forkserver")
    return CrashSafePool(count, context, initializer=_enter, initargs=(dict(os.environ), Path.cwd()))


def _enter(environment: dict[str, str], folder: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
