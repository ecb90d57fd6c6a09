"""A process pool that survives the death of its workers, at any moment.

`concurrent.futures.ProcessPoolExecutor` breaks as a whole when a worker dies; here only the task of that worker fails.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from lrstudy.cli import output
from lrstudy.compat.processes import PROCESS_LOCK, block_interrupts, end_with_parent, ignore_interrupts, kill

# A worker can be killed, or its fork server, before it takes its first task.
MAX_STARTS = 3
SECONDS_BETWEEN_STARTS = 0.1

Arguments = ParamSpec("Arguments")
Task = TypeVar("Task")
Answer = TypeVar("Answer")


class WorkerDied(BrokenExecutor):
    """The worker process ended before its task did, killed by `signal`; 0 if it exited by itself."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"the worker process was killed by signal {signal}" if signal else "the worker process exited")
        self.signal = signal


class WorkerStartError(BrokenExecutor):
    """A worker process ended before it could take a task."""


@dataclass(frozen=True, eq=False)
class _Worker:
    process: BaseProcess
    channel: Connection


class CrashSafePool(Executor):
    """Up to `max_workers` processes; each is owned by a thread that hands tasks to it and restarts it when it dies.

    Workers ignore Ctrl-C, which is for the process that owns the pool, and end when that process ends. A task whose
    worker dies fails with `WorkerDied`; the exceptions that a task raises arrive in its `Future`.

    Args:
        max_workers: the number of processes; each is started when a task needs it.
        mp_context: how processes start, by `multiprocessing.get_context`. Processes must not be forked from this one,
            since a copy of a process with threads can hang on their locks.
        initializer: called with `initargs` in each process before its first task.
        initargs: the arguments of `initializer`.
    """

    def __init__(
        self,
        max_workers: int,
        mp_context: BaseContext,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        self.max_workers = max_workers
        self._context = mp_context
        self._begin = partial(initializer, *initargs) if initializer else _do_nothing
        self._threads = ThreadPoolExecutor(max_workers, initializer=block_interrupts)
        self._of_thread = threading.local()
        self._workers: set[_Worker] = set()
        self._killed = False
        # Python waits at its end for processes that still run.
        atexit.register(self._kill)

    def submit(
        self, function: Callable[Arguments, Answer], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Answer]:
        return self._threads.submit(self._run, partial(function, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: after their last task, or at once without `wait` or with `cancel_futures`."""
        at_once = cancel_futures or not wait
        self._threads.shutdown(wait=False, cancel_futures=at_once)
        if at_once:
            self._kill()
        self._threads.shutdown()
        self._kill()
        for worker in list(self._workers):
            self._bury(worker)
        atexit.unregister(self._kill)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(cancel_futures=kind is not None)

    def _run(self, task: partial[Answer]) -> Answer:
        """Run `task` in the process of this thread."""
        worker = self._worker()
        try:
            worker.channel.send(task)
            succeeded, answer = worker.channel.recv()
        except (EOFError, OSError):
            raise WorkerDied(self._bury(worker)) from None
        if not succeeded:
            raise answer
        return answer  # type: ignore[no-any-return]

    def _worker(self) -> _Worker:
        """Return the process of this thread; start one if there is none, or if it died since its last task."""
        worker: _Worker | None = getattr(self._of_thread, "worker", None)
        if worker and worker.channel.poll():  # An idle worker sends nothing: this is the end of its channel.
            self._bury(worker)
            worker = None
        worker = self._of_thread.worker = worker or self._start()
        return worker

    def _start(self) -> _Worker:
        """Return a new worker; try again if it, or the process that it is forked from, dies meanwhile."""
        for _ in range(MAX_STARTS - 1):
            with suppress(WorkerStartError):
                return self._start_once()
            if not self._killed:
                time.sleep(SECONDS_BETWEEN_STARTS)
        return self._start_once()

    def _start_once(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._begin))  # type: ignore[attr-defined]
        try:
            with PROCESS_LOCK, theirs:
                process.start()
        except (EOFError, OSError) as error:  # its fork server died, or the system has no room for a process
            ours.close()
            raise WorkerStartError(
                f"the worker processes do not start ({error or 'their fork server died'})"
            ) from error
        worker = _Worker(process, ours)
        self._workers.add(worker)
        if self._killed:
            kill(process)
        try:
            ours.recv()
        except (EOFError, OSError):
            cause = self._bury(worker)
            reason = f"one was killed by signal {cause}" if cause else "one exited"
            raise WorkerStartError(f"the worker processes do not start ({reason})") from None
        return worker

    def _end_worker(self) -> None:
        """End the process of this thread, if there is one; its next task starts another."""
        worker: _Worker | None = getattr(self._of_thread, "worker", None)
        if worker:
            kill(worker.process)
            self._bury(worker)

    def _bury(self, worker: _Worker) -> int:
        """Return the signal that killed `worker`, or 0, and free what it held."""
        with PROCESS_LOCK:
            worker.process.join()
        self._workers.discard(worker)
        worker.channel.close()
        self._of_thread.worker = None
        return max(0, -(worker.process.exitcode or 0))

    def _kill(self) -> None:
        self._killed = True
        for worker in list(self._workers):
            kill(worker.process)


def _do_nothing() -> None:
    pass


def _serve(channel: Connection, begin: Callable[[], object]) -> None:
    """Run a worker process: take tasks from `channel` and answer them, until its other end closes."""
    output.make_failsafe()
    ignore_interrupts()
    end_with_parent()
    begin()
    with suppress(EOFError, ConnectionError):
        channel.send(None)
        while True:
            channel.send_bytes(pickled_outcome(partial(_run_pickled, channel.recv_bytes())))


def _run_pickled(task: bytes) -> Any:
    return ForkingPickler.loads(task)()


def pickled_outcome(call: Callable[[], Any]) -> memoryview:
    """Return, pickled, whether a call succeeded, with its result or its exception."""
    try:
        return ForkingPickler.dumps((True, call()))
    except Exception as error:
        with suppress(Exception):
            return ForkingPickler.dumps((False, error))
        return ForkingPickler.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))


def imap_unordered(
    pool: CrashSafePool, function: Callable[[Task], Answer], tasks: deque[Task], spare: int = 0
) -> Iterator[tuple[Task, Answer | WorkerDied]]:
    """Yield each task with its answer, or with the death of its worker, in the order in which they end.

    Args:
        pool: the processes that run the tasks.
        function: called with each task. An exception that it raises is raised here.
        tasks: taken from the left; the caller may add to them during the iteration.
        spare: the number of tasks that wait in the pool, so that no process waits for a caller that is busy.

    Raises:
        WorkerStartError: the processes of the pool do not start.
    """
    running: dict[Future[Answer], Task] = {}
    while tasks or running:
        while tasks and len(running) < pool.max_workers + spare:
            task = tasks.popleft()
            running[pool.submit(function, task)] = task
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            error = future.exception()
            yield running.pop(future), error if isinstance(error, WorkerDied) else future.result()
