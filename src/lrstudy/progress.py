"""A training's progress in the terminal: a bar where there is one, plain lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator

from lrstudy.training.epoch import Epoch

# A log of 500 epochs is to be read, not scrolled: so many lines, and one more after each silence of so many seconds.
PLAIN_LINES = 20
MAX_SILENCE = 30.0


def shown(epochs: Iterable[Epoch], total: int) -> Iterator[Epoch]:
    """Passes `epochs` on, of which there are `total` beside epoch 0, and shows each on the way."""
    return _with_bar(epochs, total) if sys.stderr.isatty() else _with_lines(epochs, total, _print)


def in_words(epoch: Epoch, total: int) -> str:
    """`epoch  7/50  train 0.0123    99.8%  val 0.0812    97.4%`: losses and accuracies, below each other in columns."""
    return (
        f"epoch {epoch.epoch:>{len(str(total))}}/{total}"
        f"  train {epoch.train_loss:<8.3g} {epoch.train_accuracy:6.1%}"
        f"  val {epoch.val_loss:<8.3g} {epoch.val_accuracy:6.1%}"
    )


def _with_lines(epochs: Iterable[Epoch], total: int, write: Callable[[str], object]) -> Iterator[Epoch]:
    last_line = time.monotonic()
    step = max(1, total // PLAIN_LINES)
    for epoch in epochs:
        silent = time.monotonic() - last_line > MAX_SILENCE
        if epoch.epoch % step == 0 or epoch.epoch == total or epoch.diverged or silent:
            write(in_words(epoch, total))
            last_line = time.monotonic()
        yield epoch


def _with_bar(epochs: Iterable[Epoch], total: int) -> Iterator[Epoch]:
    """The same lines, and below them a bar for what lies between; narrow enough for any terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    words, bar, left = TextColumn("{task.description}", markup=False), BarColumn(20), TimeRemainingColumn()
    with Progress(words, bar, left, console=Console(stderr=True, highlight=False), transient=True) as progress:
        task = progress.add_task("training", total=total)
        for epoch in _with_lines(epochs, total, lambda line: progress.console.print(line, markup=False)):
            now = f"{epoch.epoch}/{total}  val {epoch.val_loss:.3g}"
            progress.update(task, completed=epoch.epoch, description=now)
            yield epoch


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
