"""The process that owns a run, to tell abandoned runs from those that are being trained."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from enum import Enum
from functools import cache
from pathlib import Path

import psutil

# A process's start time is computed from the machine's, whose clock may be set meanwhile.
START_TOLERANCE_SECONDS = 2.0


class OwnerState(Enum):
    """The state of a run's owner; it is unknown on another machine, or where the run does not name it."""

    DEAD = "dead"
    ALIVE = "alive"
    UNKNOWN = "unknown"


def this_process() -> str:
    """Return JSON that identifies this process among all processes of all machines, for a run's tag."""
    return json.dumps({**_machine(), "pid": os.getpid(), "started": psutil.Process().create_time()})


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
        if process["pids"] == here["pids"]:
            is_alive = _is_alive(int(process["pid"]), float(process["started"]))
            return OwnerState.ALIVE if is_alive else OwnerState.DEAD
    return OwnerState.UNKNOWN


def _is_alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        is_same = abs(process.create_time() - started) < START_TOLERANCE_SECONDS
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


@cache
def _machine() -> dict[str, str]:
    """Return the machine's name, id, boot id and process namespace; all but the name exist on Linux only."""
    machine, boot = Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id")
    pids = Path("/proc/self/ns/pid")
    return {
        "node": platform.node(),
        "machine": machine.read_text(encoding="ascii").strip() if machine.exists() else "",
        "boot": boot.read_text(encoding="ascii").strip() if boot.exists() else "",
        "pids": str(pids.readlink()) if pids.exists() else "",
    }
