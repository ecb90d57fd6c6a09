"""Signals, memory limits and the end of the parent, in processes started as the pool starts them."""

import signal
import subprocess
import sys
import threading
from multiprocessing import resource_tracker

import pytest

from conftest import ROOT
from lrstudy.compat import processes


def blocked_in_a_thread() -> set[signal.Signals]:
    blocked: list[set[signal.Signals]] = []

    def look() -> None:
        processes.block_interrupts()
        blocked.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))  # type: ignore[arg-type]

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return blocked[0]


def test_interrupts_are_blocked_in_the_thread_alone() -> None:
    assert signal.SIGINT in blocked_in_a_thread()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_the_resource_tracker_lifts_the_mask_only_where_it_starts() -> None:
    """The reason for the order within `block_interrupts`: here it runs already, and leaves the mask alone."""
    resource_tracker.ensure_running()
    resource_tracker.ensure_running()
    assert signal.SIGINT in blocked_in_a_thread()


def test_a_process_inherits_the_blocked_interrupts() -> None:
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    printed: list[str] = []

    def start() -> None:
        processes.block_interrupts()
        printed.append(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert printed == ["True\n"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not report a process's size")
def test_an_allocation_beyond_the_limit_fails() -> None:
    code = (
        "from lrstudy.compat.processes import limit_memory\n"
        "limit_memory(2**28)\n"
        "bytearray(2**26)\n"
        "try: bytearray(2**30)\n"
        "except MemoryError: print('too much')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "src")}
    )
    assert ended.stdout == "too much\n", ended.stderr


def test_standard_error_is_silent_for_c_code_too() -> None:
    code = (
        "import os, sys\n"
        "from lrstudy.compat.processes import silence_stderr\n"
        "silence_stderr()\n"
        "os.write(2, b'from C')\n"
        "print('from Python', file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, env={"PYTHONPATH": str(ROOT / "src")})
    assert (ended.returncode, ended.stderr) == (0, b"")
