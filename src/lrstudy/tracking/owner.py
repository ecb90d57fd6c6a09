"""Which process a run belongs to, so that a run left behind by a dead one is told from one that still goes on."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from enum import Enum
from functools import cache
from pathlib import Path

import psutil

# A process's start is computed from the machine's, whose clock may be set meanwhile.
SAME_START_SECONDS = 2.0


class OwnerState(Enum):
    """What is known of the process that a run belongs to."""

    DEAD = "it was on this machine, and is no more"
    ALIVE = "it is on this machine"
    UNKNOWN = "it is or was on another machine, or left no name"


def this_process() -> str:
    """The text that names this process among all that ever were, for a run's tag."""
    return json.dumps({**_machine(), "pid": os.getpid(), "started": psutil.Process().create_time()})


def owner_state(name: str | None) -> OwnerState:
    """What is known of the process that `name`, as `this_process` gave it, is of."""
    with suppress(ValueError, KeyError, TypeError):
        named = json.loads(name or "")
        here = _machine()
        if (named["node"], named["machine"]) != (here["node"], here["machine"]):
            return OwnerState.UNKNOWN
        if named["boot"] != here["boot"]:
            # Without a number of its own a machine is not told from another of its name.
            return OwnerState.DEAD if here["machine"] else OwnerState.UNKNOWN
        if named["pids"] == here["pids"]:
            return OwnerState.ALIVE if _lives(int(named["pid"]), float(named["started"])) else OwnerState.DEAD
    return OwnerState.UNKNOWN


def _lives(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < SAME_START_SECONDS and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


@cache
def _machine() -> dict[str, str]:
    """The machine, its last start, and the space that its process numbers are of: Linux's alone, but for the name."""
    machine, boot = Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id")
    pids = Path("/proc/self/ns/pid")
    return {
        "node": platform.node(),
        "machine": machine.read_text(encoding="ascii").strip() if machine.exists() else "",
        "boot": boot.read_text(encoding="ascii").strip() if boot.exists() else "",
        "pids": str(pids.readlink()) if pids.exists() else "",
    }
