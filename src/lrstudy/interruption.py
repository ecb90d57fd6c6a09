"""The sentence on what an interrupted command has kept; Ctrl-C and SIGTERM interrupt it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

TERMINATED = 128 + signal.SIGTERM  # as a shell reports a process that SIGTERM ended
NOTHING_KEPT = "interrupted: nothing has been trained or written yet; the same command starts again."


@dataclass
class Kept:
    """What a block has kept so far: `describe` returns a sentence, and is replaced as the block proceeds."""

    describe: Callable[[], str]


@contextmanager
def report_interruption(describe: Callable[[], str]) -> Iterator[Kept]:
    """Print what was kept as soon as the `with` block is interrupted; blocks around it add nothing to that."""
    kept = Kept(describe)
    try:
        yield kept
    except (KeyboardInterrupt, SystemExit) as interruption:
        print_once(interruption, f"interrupted: {kept.describe()}")
        raise


def print_once(interruption: KeyboardInterrupt | SystemExit, sentence: str) -> None:
    """Print the sentence on an interruption unless one was printed for it; ignore the end of a command."""
    is_end = isinstance(interruption, SystemExit) and interruption.code != TERMINATED
    if not is_end and not getattr(interruption, "__notes__", []):
        interruption.add_note(sentence)
        print(sentence, file=sys.stderr, flush=True)
