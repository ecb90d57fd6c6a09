"""The end of the process pool: shutdown, Ctrl-C, and the death of the process that owns it."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest

from conftest import ROOT, MakePool
from lrstudy.crash_safe_pool import WorkerDied


@pytest.mark.parametrize("arguments", [{"cancel_futures": True}, {"wait": False}])
def test_an_immediate_shutdown_kills_running_tasks_and_cancels_queued_ones(
    make_pool: MakePool, arguments: dict[str, bool]
) -> None:
    pool = make_pool(1)
    pid = pool.submit(os.getpid).result()
    running, waiting = pool.submit(time.sleep, 60), pool.submit(time.sleep, 60)
    while not running.running():
        time.sleep(0.01)
    began = time.monotonic()
    pool.shutdown(**arguments)
    assert time.monotonic() - began < 5
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    with pytest.raises(WorkerDied):
        running.result()
    with pytest.raises(CancelledError):
        waiting.result()
    with pytest.raises(RuntimeError):
        pool.submit(eval, "1")


def test_shutdown_waits_for_all_tasks_otherwise(make_pool: MakePool) -> None:
    pool = make_pool(1)
    futures = [pool.submit(eval, f"__import__('time').sleep(0.1) or {number}") for number in range(3)]
    pool.shutdown()
    assert [future.result(timeout=0) for future in futures] == [0, 1, 2]


WORKING = """
import multiprocessing, time
from collections import deque
from lrstudy.crash_safe_pool import CrashSafePool, imap_unordered
if __name__ == "__main__":
    with CrashSafePool(3, multiprocessing.get_context("spawn")) as pool:
        list(imap_unordered(pool, time.sleep, deque([60] * 9)))
"""


@pytest.fixture
def working(tmp_path: Path) -> "subprocess.Popen[str]":
    """A process with three others at work, in a process group of its own as in a terminal."""
    (tmp_path / "working.py").write_text(WORKING)
    return subprocess.Popen(
        [sys.executable, str(tmp_path / "working.py")],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def others(working: "subprocess.Popen[str]") -> list[psutil.Process]:
    deadline = time.monotonic() + 30
    while len(children := psutil.Process(working.pid).children()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    return children


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=10)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1, 0.5])
def test_ctrl_c_ends_all_processes_and_only_the_first_reports_it(
    delay: float, working: "subprocess.Popen[str]"
) -> None:
    started = others(working)
    time.sleep(delay)
    os.killpg(working.pid, signal.SIGINT)
    _, stderr = working.communicate(timeout=30)
    assert stderr.count("Traceback") == stderr.count("KeyboardInterrupt") == 1
    assert gone(started)


@pytest.mark.parametrize("seconds", ["60", "0.3"], ids=["at work", "between two tasks"])
@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_when_the_first_process_is_killed_the_others_end(seconds: str, context: str, tmp_path: Path) -> None:
    code = WORKING.replace("[60] * 9", f"[{seconds}] * 900").replace('"spawn"', f'"{context}"')
    (tmp_path / "working.py").write_text(code)
    working = subprocess.Popen(
        [sys.executable, str(tmp_path / "working.py")],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while len(started := psutil.Process(working.pid).children(recursive=True)) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    working.kill()
    working.wait()
    assert gone(started)


def test_a_pool_that_is_never_shut_down_does_not_keep_the_process(tmp_path: Path) -> None:
    code = """
import multiprocessing
from lrstudy.crash_safe_pool import CrashSafePool
if __name__ == "__main__":
    pool = CrashSafePool(2, multiprocessing.get_context("spawn"))
    print(pool.submit(eval, "6 * 7").result())
"""
    (tmp_path / "careless.py").write_text(code)
    ended = subprocess.run(
        [sys.executable, str(tmp_path / "careless.py")],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "42\n", "")
