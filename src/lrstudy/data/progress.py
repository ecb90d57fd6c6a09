"""Progress of a long pass over many images: a bar in a terminal, two lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def image_progress(action: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show the progress of `action` over `total` images; yield a function that takes a number of further images."""
    started = time.monotonic()
    if sys.stderr.isatty():
        with _bar(action, total) as advance:
            yield advance
    else:
        print(f"{action} {total} images", file=sys.stderr, flush=True)
        yield lambda _: None
    seconds = time.monotonic() - started
    print(f"{action} {total} images took {seconds:.1f} s, {total / seconds:.0f} images/s", file=sys.stderr, flush=True)


@contextmanager
def _bar(action: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(action, total=total)
        yield lambda count: progress.advance(task, count)
