"""When a training's epochs were first logged, kept on this machine until the run has ended.

A slow server can carry out what it was told after the training was killed and started again. Said again with the same
times, a point is the same to MLflow's databases, and not another one.
"""

from __future__ import annotations

import time
from contextlib import suppress

from lrstudy import cache_paths


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def record(run_id: str, epoch: int) -> int:
    """Writes down, as far as it can be written, that an epoch is logged now; gives the time."""
    time_now, path = now_ms(), cache_paths.times(run_id)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="ascii") as file:
            file.write(f"{epoch} {time_now}\n")
    return time_now


def read(run_id: str) -> dict[int, int]:
    """The times by epoch, as far as any were written down whole."""
    try:
        *lines, _ = cache_paths.times(run_id).read_text(encoding="ascii").split("\n")
        pairs = [line.split() for line in lines]
        return {int(epoch): int(when) for epoch, when in reversed(pairs)}  # the first of an epoch counts
    except (OSError, ValueError):
        return {}
