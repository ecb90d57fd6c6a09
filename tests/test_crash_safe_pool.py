"""The process pool: tasks and their answers."""

import os
from collections import deque

import psutil
import pytest

from conftest import MakePool
from lrstudy.crash_safe_pool import imap_unordered


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
