"""One display for a whole study: what runs and how far it is, what is best so far, how long it will take."""

from __future__ import annotations

import sys
import time

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lrstudy.plan import Plan
from lrstudy.progress import in_words
from lrstudy.settings import typed
from lrstudy.study import Done
from lrstudy.tracking import run_name
from lrstudy.training import Epoch


class StudyDisplay:
    """A live table in a terminal; elsewhere a line for each trial that ends."""

    def __init__(self, plans: list[Plan]) -> None:
        self._plans = plans
        self._done: list[Done] = []
        self._running: dict[int, str] = {}
        self._started = time.monotonic()
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, transient=True, get_renderable=self._render, refresh_per_second=4)

    def __enter__(self) -> StudyDisplay:
        if sys.stderr.isatty():
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def started(self, number: int) -> None:
        """A trial has begun."""
        self._running[number] = "starts"

    def epoch(self, number: int, epoch: Epoch) -> None:
        """A trial has got so far."""
        self._running[number] = in_words(epoch, self._plans[number].settings.epochs)

    def done(self, done: Done) -> None:
        """A trial has ended, or had before."""
        self._done.append(done)
        self._running.pop(done.number, None)
        if not sys.stderr.isatty():
            print(f"{self._progress()}  {_line(done)}", file=sys.stderr, flush=True)

    def _progress(self) -> str:
        return f"[{len(self._done)}/{len(self._plans)}]"

    def _render(self) -> Group:
        lines = [f"{run_name(self._plans[number].settings)}: {words}" for number, words in self._running.items()]
        if best := best_of(self._done):
            lines.append(f"best so far: {_line(best)}")
        return Group(Text(f"{self._progress()} trials done{self._left()}"), *map(Text, lines))

    def _left(self) -> str:
        trained = sum(not done.reused for done in self._done)
        if not trained:
            return ""
        seconds = (time.monotonic() - self._started) / trained * (len(self._plans) - len(self._done))
        return f", about {seconds:.0f} s left"


def best_of(done: list[Done]) -> Done | None:
    """The trial of the lowest validation loss; None where all have failed."""
    finished = [one for one in done if one.verdict]
    return min(finished, key=lambda one: one.val_loss, default=None)


def table(done: list[Done]) -> Table:
    """A row for each trial with what tells it from the others, the best one marked."""
    best = best_of(done)
    varied = [name for name in ("hidden", "seed") if len({getattr(one.plan.settings, name) for one in done}) > 1]
    shown = Table("optimizer", "lr", *varied, "val loss", "val accuracy", "verdict", "", box=None, pad_edge=False)
    for one in done:
        marks = ["best"] * (one is best) + ["reused"] * one.reused
        names = [typed(getattr(one.plan.settings, name)) for name in ("optimizer", "lr", *varied)]
        scores = (f"{one.val_loss:.4f}", f"{one.val_accuracy:.1%}") if one.verdict else ("", "")
        shown.add_row(*names, *scores, one.verdict or f"failed: {one.reason}", ", ".join(marks))
    return shown


def _line(done: Done) -> str:
    if not done.verdict:
        return f"{run_name(done.plan.settings)} failed: {done.reason}"
    reused = " (reused)" if done.reused else ""
    return (
        f"{run_name(done.plan.settings)}  val loss {done.val_loss:.4f}  accuracy {done.val_accuracy:.1%}  "
        f"{done.verdict}{reused}"
    )
