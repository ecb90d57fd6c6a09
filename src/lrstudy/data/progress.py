"""How far a long pass over many images has come: a bar in a terminal, two lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function that is to be told of every so many images that are done, of `total`."""
    started = time.monotonic()
    if sys.stderr.isatty():
        with _bar(what, total) as done:
            yield done
    else:
        print(f"{what} {total} images", file=sys.stderr, flush=True)
        yield lambda _: None
    seconds = time.monotonic() - started
    print(f"{what} {total} images took {seconds:.1f} s, {total / seconds:.0f} images/s", file=sys.stderr, flush=True)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
