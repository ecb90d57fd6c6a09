"""Set up worker processes: signals, memory limits and the end of the parent; all of it is global state.

Seen to work with CPython 3.11 on Linux and macOS.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

# `Process.start` also asks for the exit codes of all other children. Of two threads that ask for one at the same time
# a single one gets it, and the other gets none: starting and joining is for one thread at a time.
PROCESS_LOCK = threading.Lock()
# The exit code that `multiprocessing` reports of each process whose fork server died.
FORK_SERVER_DIED = 255


def block_interrupts() -> None:
    """Block SIGINT in this thread, and so in the processes that it starts.

    Processes inherit the mask, as they do not inherit a handler. Without it, Ctrl-C shortly after a start reaches a
    process that has not yet chosen to ignore it, which then prints a traceback.
    """
    # `multiprocessing` lifts the mask when it starts this process of its own: it has to run before.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def ignore_interrupts() -> None:
    """Ignore SIGINT in this process, so that Ctrl-C in a terminal reaches only its parent, which ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_with_parent() -> None:
    """End this process at once when its parent ends, even if that was killed.

    Without it, a worker whose parent was killed continues to the end of its task.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def kill(process: BaseProcess) -> None:
    """Kill a process that this one started.

    Once a fork server is dead, `multiprocessing` reports the processes that it forked as ended, with the exit code 255,
    and does not kill them.
    """
    process.kill()
    # Not `exitcode`, which would read the code, once and for all, from under the thread that waits for the process.
    if process._popen.returncode == FORK_SERVER_DIED and process.pid:  # type: ignore[attr-defined]
        with suppress(ProcessLookupError):
            if os.getpgid(process.pid) == os.getpgrp():  # else the number belongs to another process by now
                os.kill(process.pid, signal.SIGKILL)


def silence_stderr() -> None:
    """Discard what this process writes to standard error, also from C.

    Without it, the warnings of C libraries about damaged images fill the user's terminal.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def limit_memory(share: int) -> None:
    """Let this process allocate at most `share` more bytes, so that a too large image fails and not the machine.

    Where a lower limit is in force, or the system does not report a process's size, no limit is set.
    """
    with suppress(ValueError, OSError):
        size = os.sysconf("SC_PAGE_SIZE") * int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size + share, hard))
