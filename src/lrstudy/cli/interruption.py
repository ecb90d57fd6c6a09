"""Report the work that a command has kept when Ctrl-C or SIGTERM interrupts it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

TERMINATED = 128 + signal.SIGTERM  # as a shell reports a process that SIGTERM ended
NOTHING_KEPT = "interrupted: nothing has been trained or written yet; the same command starts again."


@dataclass
class InterruptionReport:
    """The report on an interrupted block: `describe` returns its sentence, and is replaced as the block proceeds."""

    describe: Callable[[], str]


@contextmanager
def report_interruption(describe: Callable[[], str]) -> Iterator[InterruptionReport]:
    """Print the sentence of `describe` if the `with` block is interrupted; blocks around it print no second one."""
    report = InterruptionReport(describe)
    try:
        yield report
    except (KeyboardInterrupt, SystemExit) as interruption:
        print_once(interruption, f"interrupted: {report.describe()}")
        raise


def print_once(interruption: KeyboardInterrupt | SystemExit, sentence: str) -> None:
    """Print a sentence on an interruption unless one was printed for it; ignore the normal exit of a command.

    A second signal, which interrupts the handling of the first, gets no sentence of its own.
    """
    is_exit = isinstance(interruption, SystemExit) and interruption.code != TERMINATED
    if not is_exit and not any(hasattr(error, "__notes__") for error in _with_contexts(interruption)):
        interruption.add_note(sentence)
        print(sentence, file=sys.stderr, flush=True)


def _with_contexts(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, and those that were being handled when it was raised."""
    handled: BaseException | None = error
    while handled is not None:
        yield handled
        handled = handled.__context__
