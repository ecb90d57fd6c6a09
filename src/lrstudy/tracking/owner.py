"""The process that owns a run, which distinguishes abandoned runs from those that are being trained."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from enum import Enum
from functools import cache
from pathlib import Path

import psutil

from lrstudy.process_times import start_ticks

# Without ticks, a process's start time is computed from the clock, which may be adjusted meanwhile.
START_TOLERANCE_SECONDS = 2.0


class OwnerState(Enum):
    """The state of a run's owner; it is unknown on another machine, or where the run does not name it."""

    DEAD = "dead"
    ALIVE = "alive"
    UNKNOWN = "unknown"


def this_process() -> str:
    """Return JSON that identifies this process among all processes of all machines, for a run's tag."""
    pid = os.getpid()
    start = {"started": psutil.Process().create_time(), "ticks": start_ticks(pid)}
    return json.dumps({**_machine(), "pid": pid, **start})


def owner_state(tag: str | None) -> OwnerState:
    """Return the state of the process that `tag`, made by `this_process`, identifies."""
    with suppress(ValueError, KeyError, TypeError):
        process = json.loads(tag or "")
        here = _machine()
        if (process["node"], process["machine"]) != (here["node"], here["machine"]):
            return OwnerState.UNKNOWN
        if process["boot"] != here["boot"]:
            # Without a machine id, another machine of the same name cannot be ruled out.
            return OwnerState.DEAD if here["machine"] else OwnerState.UNKNOWN
        # Tags of earlier versions have neither ticks nor the namespace that counts them.
        if (process["pids"], process.get("time", here["time"])) == (here["pids"], here["time"]):
            is_alive = _is_alive(int(process["pid"]), process.get("ticks"), float(process["started"]))
            return OwnerState.ALIVE if is_alive else OwnerState.DEAD
    return OwnerState.UNKNOWN


def _is_alive(pid: int, ticks: int | None, started: float) -> bool:
    """Return whether the process `pid` is the one that began at `ticks`, or without these at the time `started`."""
    try:
        process = psutil.Process(pid)
        if ticks is None:
            is_same = abs(process.create_time() - started) < START_TOLERANCE_SECONDS
        else:
            is_same = start_ticks(pid) == ticks
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


@cache
def _machine() -> dict[str, str]:
    """Return the machine's name, id, boot id and namespaces of processes and time; all but the name are Linux's."""
    machine, boot = Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id")
    pids, time = Path("/proc/self/ns/pid"), Path("/proc/self/ns/time")
    return {
        "node": platform.node(),
        "machine": machine.read_text(encoding="ascii").strip() if machine.exists() else "",
        "boot": boot.read_text(encoding="ascii").strip() if boot.exists() else "",
        "pids": str(pids.readlink()) if pids.exists() else "",
        "time": str(time.readlink()) if time.exists() else "",
    }
