"""Workers of the process pool that die at any moment, and the fork server that dies."""

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from concurrent.futures import BrokenExecutor
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest

from conftest import MakePool
from lrstudy.crash_safe_pool import CrashSafePool, WorkerDied, WorkerStartError, imap_unordered

# The tasks evaluate expressions: the processes need not import this module for them.
DIE = "__import__('os').abort()"


class CannotStart:
    """Ends the new process that unpickles it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return sys.exit, (3,)

    def __call__(self) -> None:
        pass


@pytest.mark.parametrize("processes", [1, 3])
def test_every_task_is_answered_and_each_that_kills_its_process_is_named(make_pool: MakePool, processes: int) -> None:
    fatal = {f"{number} or {DIE}" for number in (0, 0.0, "''", "()", "[]", "None", "False")}
    harmless = {f"{number} or {DIE}": number for number in range(1, 20)}
    answers = dict(imap_unordered(make_pool(processes), eval, deque([*fatal, *harmless])))
    deaths = {task: answer.signal for task, answer in answers.items() if isinstance(answer, WorkerDied)}
    assert deaths == dict.fromkeys(fatal, signal.SIGABRT)
    assert {task: answer for task, answer in answers.items() if task not in deaths} == harmless


def test_processes_that_do_not_start_are_an_error(make_pool: MakePool) -> None:
    with pytest.raises(WorkerStartError, match="do not start"):
        list(imap_unordered(make_pool(2, CannotStart()), eval, deque(["1", "2", "3"])))


@pytest.mark.parametrize(("deaths", "starts"), [(2, True), (9, False)])
def test_a_worker_that_is_killed_as_it_starts_is_started_again_twice(
    make_pool: MakePool, tmp_path: Path, deaths: int, starts: bool
) -> None:
    die = f"""
import os
with open({str(tmp_path / "starts")!r}, "a") as starts:
    starts.write(".")
if os.path.getsize(starts.name) <= {deaths}:
    os.kill(os.getpid(), 9)
"""
    pool = make_pool(1, exec, (die,))
    if starts:
        assert pool.submit(eval, "7").result() == 7
        return
    with pytest.raises(WorkerStartError, match="killed by signal 9"):
        pool.submit(eval, "7").result()


def kill_fork_server() -> None:
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(server, signal.SIGKILL)


def test_tasks_outlive_the_death_of_the_fork_server() -> None:
    with CrashSafePool(2, multiprocessing.get_context("forkserver")) as pool:
        pool.submit(os.getpid).result()
        running = pool.submit(eval, "__import__('time').sleep(0.3) or 7")
        kill_fork_server()
        others = [pool.submit(eval, str(number)) for number in range(3)]
        assert [future.result() for future in [running, *others]] == [7, 0, 1, 2]


@pytest.mark.parametrize("moment", [0.0, 0.01])
def test_workers_start_although_the_fork_server_dies_meanwhile(moment: float) -> None:
    forkserver.ensure_running()
    with CrashSafePool(2, multiprocessing.get_context("forkserver")) as pool:
        futures = [pool.submit(eval, str(number)) for number in range(2)]
        time.sleep(moment)
        kill_fork_server()
        assert [future.result() for future in futures] == [0, 1]


def test_a_shutdown_kills_running_tasks_whose_fork_server_died(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with CrashSafePool(2, multiprocessing.get_context("forkserver")) as pool:
        pid = pool.submit(os.getpid).result()
        running = pool.submit(eval, f"open({str(begun)!r}, 'w').close() or __import__('time').sleep(60)")
        while not begun.exists():
            time.sleep(0.02)
        kill_fork_server()
        pool.submit(os.getpid).result()  # the start of a worker asks for the ends of all others
        began = time.monotonic()
        pool.shutdown(cancel_futures=True)
        assert time.monotonic() - began < 5
        assert isinstance(running.exception(), WorkerDied)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_dead_worker_fails_only_its_own_future(make_pool: MakePool) -> None:
    pool = make_pool(2)
    futures = {number: pool.submit(eval, f"{number} or {DIE}") for number in range(6)}
    with pytest.raises(BrokenExecutor) as raised:
        futures[0].result()
    assert isinstance(raised.value, WorkerDied)
    assert raised.value.signal == signal.SIGABRT
    assert [futures[number].result() for number in range(1, 6)] == [1, 2, 3, 4, 5]


def test_a_worker_that_exits_by_itself_has_no_signal(make_pool: MakePool) -> None:
    with pytest.raises(WorkerDied, match="exited") as raised:
        make_pool(1).submit(eval, "__import__('sys').exit(1)").result()
    assert raised.value.signal == 0


def has_ended(process: psutil.Process) -> bool:
    """Return whether all threads of a process have ended: a killed one holds its files until its last thread ends."""
    try:
        threads = list(Path(f"/proc/{process.pid}/task").iterdir())
        return process.status() == psutil.STATUS_ZOMBIE and len(threads) == 1
    except (psutil.NoSuchProcess, FileNotFoundError):
        return True


def test_a_worker_that_is_killed_while_idle_is_restarted_and_costs_no_task(make_pool: MakePool) -> None:
    pool = make_pool(1)
    first = psutil.Process(pool.submit(os.getpid).result())
    first.kill()
    while not has_ended(first):  # as a child of the fork server, it is not this process's to wait for
        time.sleep(0.01)
    assert pool.submit(os.getpid).result() != first.pid


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.003, 0.01])
def test_a_worker_that_is_killed_around_the_start_of_its_task_harms_no_other(
    make_pool: MakePool, moment: float
) -> None:
    pool = make_pool(2)
    victims = [pool.submit(os.getpid) for _ in range(2)]
    pids = {future.result() for future in victims}
    futures = [pool.submit(eval, f"__import__('time').sleep(0.002) or {number}") for number in range(100)]
    time.sleep(moment)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    errors = [error for error in (future.exception() for future in futures) if error]
    assert len(errors) <= 2
    assert all(isinstance(error, WorkerDied) for error in errors)
    assert pool.submit(eval, "7").result() == 7
