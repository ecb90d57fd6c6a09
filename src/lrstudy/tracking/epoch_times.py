"""The times at which a training's epochs were first logged, kept on this machine until the run has ended.

A slow server can carry out a call after the training was killed and restarted. MLflow stores a point that is logged
again with the same time only once, so a resumed training logs its epochs with their first times.
"""

from __future__ import annotations

import time
from contextlib import suppress

from lrstudy import cache_paths


def now_ms() -> int:
    """Return the milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def record(run_id: str, epoch: int) -> int:
    """Store the current time as that of an epoch, if it can be written, and return it."""
    time_now, path = now_ms(), cache_paths.epoch_times(run_id)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="ascii") as file:
            file.write(f"{epoch} {time_now}\n")
    return time_now


def read(run_id: str) -> dict[int, int]:
    """Return the stored times by epoch."""
    try:
        *lines, _ = cache_paths.epoch_times(run_id).read_text(encoding="ascii").split("\n")
        pairs = [line.split() for line in lines]
        return {int(epoch): int(when) for epoch, when in reversed(pairs)}  # the first of an epoch counts
    except (OSError, ValueError):
        return {}
