"""The process pool, whose workers may die at any moment."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from lrstudy.crash_safe_pool import CrashSafePool, WorkerDied, WorkerStartError, imap_unordered

# The tasks evaluate expressions: the processes need not import this module for them.
DIE = "__import__('os').abort()"

MakePool = Callable[..., CrashSafePool]


class CannotStart:
    """Ends the new process that unpickles it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return sys.exit, (3,)

    def __call__(self) -> None:
        pass


@pytest.fixture(params=["spawn", "forkserver"])
def make_pool(request: pytest.FixtureRequest) -> Iterator[MakePool]:
    """Make pools, which are ended after the test."""
    pools = []

    def make(processes: int, *initializer: object) -> CrashSafePool:
        pools.append(CrashSafePool(processes, multiprocessing.get_context(request.param), *initializer))  # type: ignore[arg-type]
        return pools[-1]

    yield make
    for pool in pools:
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("processes", [1, 3])
def test_every_task_is_answered_and_each_that_kills_its_process_is_named(make_pool: MakePool, processes: int) -> None:
    fatal = {f"{number} or {DIE}" for number in (0, 0.0, "''", "()", "[]", "None", "False")}
    harmless = {f"{number} or {DIE}": number for number in range(1, 20)}
    answers = dict(imap_unordered(make_pool(processes), eval, deque([*fatal, *harmless])))
    deaths = {task: answer.signal for task, answer in answers.items() if isinstance(answer, WorkerDied)}
    assert deaths == dict.fromkeys(fatal, signal.SIGABRT)
    assert {task: answer for task, answer in answers.items() if task not in deaths} == harmless


def test_tasks_that_are_added_during_the_iteration_are_run(make_pool: MakePool) -> None:
    tasks = deque(["1"])
    seen = []
    for task, answer in imap_unordered(make_pool(2), eval, tasks):
        seen.append(answer)
        if len(task) < 9:
            tasks.append(f"{task}+1")
    assert seen == [1, 2, 3, 4, 5]


def test_without_tasks_no_process_is_started(make_pool: MakePool) -> None:
    before = psutil.Process().children(recursive=True)
    assert not list(imap_unordered(make_pool(2), eval, deque[str]()))
    assert psutil.Process().children(recursive=True) == before


def test_an_error_is_raised_where_the_answer_is_asked_for_and_no_process_stays(make_pool: MakePool) -> None:
    make_pool(2).submit(eval, "1").result()  # from now on multiprocessing's own processes exist
    make_pool(2).shutdown()
    before = set(psutil.Process().children(recursive=True))
    failing = deque(["__import__('os').mkdir('/proc/self/new')"])
    with pytest.raises(OSError, match="No such file"), make_pool(2) as pool:
        list(imap_unordered(pool, eval, failing))
    assert set(psutil.Process().children(recursive=True)) <= before


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


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.01, 0.03])
def test_workers_start_although_the_fork_server_dies_meanwhile(moment: float) -> None:
    forkserver.ensure_running()
    with CrashSafePool(2, multiprocessing.get_context("forkserver")) as pool:
        futures = [pool.submit(eval, str(number)) for number in range(2)]
        time.sleep(moment)
        kill_fork_server()
        assert [future.result() for future in futures] == [0, 1]


def test_a_shutdown_kills_running_tasks_whose_fork_server_died() -> None:
    with CrashSafePool(2, multiprocessing.get_context("forkserver")) as pool:
        pid = pool.submit(os.getpid).result()
        running = pool.submit(time.sleep, 60)
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


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        ("1/0", ZeroDivisionError, "division by zero"),
        ("(_ for _ in ()).throw(__import__('subprocess').CalledProcessError(1, 'ls'))", Exception, "'ls'"),
        ("lambda: 0", Exception, "pickle"),
        ("(_ for _ in ()).throw(type('Local', (Exception,), {})('why'))", RuntimeError, "Local: why"),
    ],
    ids=["raised", "with arguments", "an answer that cannot be pickled", "an error that cannot be pickled"],
)  # fmt: skip
def test_errors_of_the_task_arrive_and_the_worker_lives_on(
    make_pool: MakePool, expression: str, error: type[Exception], message: str
) -> None:
    pool = make_pool(1)
    pid = pool.submit(os.getpid).result()
    with pytest.raises(error, match=message):
        pool.submit(eval, expression).result()
    assert pool.submit(os.getpid).result() == pid


def test_the_initializer_runs_once_in_each_process(make_pool: MakePool) -> None:
    pool = make_pool(2, exec, ("import sys; sys.begun = getattr(sys, 'begun', 0) + 1",))
    begun = [pool.submit(eval, "__import__('sys').begun") for _ in range(10)]
    assert [future.result() for future in begun] == [1] * 10


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
