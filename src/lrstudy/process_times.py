"""When processes started, by the kernel's clock since boot, which no adjustment of the time of day changes."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

import psutil


def start_ticks(pid: int) -> int | None:
    """Return the kernel's ticks from boot to the start of a process.

    None if the system does not report them, or there is no such process.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # Field 22; the second one is the name in parentheses, which may contain both spaces and parentheses.
    return int(status.rpartition(")")[2].split()[19])


def seconds_since_start() -> float:
    """Return the seconds since this process started."""
    ticks = start_ticks(os.getpid())
    if ticks is None:  # not Linux
        return time.time() - psutil.Process().create_time()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


@cache
def import_seconds() -> float:
    """Return the seconds from the start of this process to the first call, when a command has imported what it needs.

    They measure the speed of the machine as it is now.
    """
    return seconds_since_start()
