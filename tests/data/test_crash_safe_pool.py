"""Work in processes that may die of it."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from lrstudy.data.crash_safe_pool import Died, imap_unordered
from lrstudy.errors import DataError

# The work is to evaluate an expression: the processes need not import this module for it.
DIE = "__import__('os').abort()"


class CannotBeginThere:
    """Unpickled in the new process, it ends it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return sys.exit, (3,)

    def __call__(self, number: int) -> int:
        return number


@pytest.mark.parametrize("processes", [1, 3])
def test_every_task_is_answered_and_each_that_kills_its_process_is_named(processes: int) -> None:
    fatal = {f"{number} or {DIE}" for number in (0, 0.0, "''", "()", "[]", "None", "False")}
    harmless = {f"{number} or {DIE}": number for number in range(1, 20)}
    answers = dict(imap_unordered(deque([*fatal, *harmless]), eval, processes))
    assert answers == harmless | dict.fromkeys(fatal, Died(signal.SIGABRT))


def test_tasks_that_are_added_while_it_runs_are_worked_on() -> None:
    tasks = deque(["1"])
    seen = []
    for task, answer in imap_unordered(tasks, eval, 2):
        seen.append(answer)
        if len(task) < 9:
            tasks.append(f"{task}+1")
    assert seen == [1, 2, 3, 4, 5]


def test_without_tasks_nothing_is_started() -> None:
    assert not list(imap_unordered(deque[str](), eval, 2))


def test_an_error_is_raised_where_the_work_is_asked_for_and_no_process_stays() -> None:
    list(imap_unordered(deque(["1"]), eval, 2))  # from now on multiprocessing's own process is there
    before = set(psutil.Process().children())
    with pytest.raises(OSError, match="No such file"):
        list(imap_unordered(deque(["__import__('os').mkdir('/proc/self/new')"]), eval, 2))
    assert set(psutil.Process().children()) == before


def test_processes_that_do_not_start_are_an_error() -> None:
    with pytest.raises(DataError, match="do not start"):
        list(imap_unordered(deque([1, 2, 3]), CannotBeginThere(), 2))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no process's size")
def test_a_process_may_not_take_more_memory_than_its_share() -> None:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource = "__import__('resource')"
    [(_, limit)] = imap_unordered(deque([f"{resource}.getrlimit({resource}.RLIMIT_AS)[0]"]), eval, 2)
    assert isinstance(limit, int)
    assert 2**30 < limit < physical


WORKING = """
import time
from collections import deque
from lrstudy.data.crash_safe_pool import imap_unordered
if __name__ == "__main__":
    list(imap_unordered(deque([60] * 9), time.sleep, 3))
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
    while len(found := psutil.Process(working.pid).children()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=10)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1, 0.5])
def test_ctrl_c_ends_all_processes_and_only_the_first_tells_of_it(
    delay: float, working: "subprocess.Popen[str]"
) -> None:
    started = others(working)
    time.sleep(delay)
    os.killpg(working.pid, signal.SIGINT)
    _, said = working.communicate(timeout=30)
    assert said.count("Traceback") == said.count("KeyboardInterrupt") == 1
    assert gone(started)


def test_when_the_first_process_is_killed_the_others_end() -> None:
    """Those at work end with it; one between two tasks notices that nobody is there."""
    code = WORKING.replace("[60] * 9", "[0.3] * 900")
    working = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.DEVNULL,
        text=True,
    )
    started = others(working)
    working.kill()
    working.wait()
    assert gone(started)
