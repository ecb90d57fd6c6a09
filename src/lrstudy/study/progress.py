"""Progress of a training: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator

from lrstudy.training.epoch import Epoch

# Lines in the log of a training, however many epochs it has, and the longest time in seconds without one.
PLAIN_LINES = 20
MAX_SILENCE_SECONDS = 30.0


def print_progress(epochs: Iterable[Epoch], total: int) -> Iterator[Epoch]:
    """Yield `epochs` unchanged and print their progress; `total` is their number without epoch 0."""
    return _with_bar(epochs, total) if sys.stderr.isatty() else _with_lines(epochs, total, _print)


def format_epoch(epoch: Epoch, total: int) -> str:
    """Return `epoch  7/50  train 0.0123    99.8%  val 0.0812    97.4%`: losses and accuracies in columns."""
    return (
        f"epoch {epoch.epoch:>{len(str(total))}}/{total}"
        f"  train {epoch.train_loss:<8.3g} {epoch.train_accuracy:6.1%}"
        f"  val {epoch.val_loss:<8.3g} {epoch.val_accuracy:6.1%}"
    )


def _with_lines(epochs: Iterable[Epoch], total: int, write: Callable[[str], object]) -> Iterator[Epoch]:
    last_line = time.monotonic()
    step = max(1, total // PLAIN_LINES)
    for epoch in epochs:
        silent = time.monotonic() - last_line > MAX_SILENCE_SECONDS
        if epoch.epoch % step == 0 or epoch.epoch == total or epoch.diverged or silent:
            write(format_epoch(epoch, total))
            last_line = time.monotonic()
        yield epoch


def _with_bar(epochs: Iterable[Epoch], total: int) -> Iterator[Epoch]:
    """Print the same lines, and below them a bar that is narrow enough for any terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    text, bar, remaining = TextColumn("{task.description}", markup=False), BarColumn(20), TimeRemainingColumn()
    with Progress(text, bar, remaining, console=Console(stderr=True, highlight=False), transient=True) as progress:
        task = progress.add_task("training", total=total)
        for epoch in _with_lines(epochs, total, lambda line: progress.console.print(line, markup=False)):
            now = f"{epoch.epoch}/{total}  val {epoch.val_loss:.3g}"
            progress.update(task, completed=epoch.epoch, description=now)
            yield epoch


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
