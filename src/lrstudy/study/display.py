"""One display for a whole study: what runs and how far it is, what is best so far, how long it will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lrstudy.formatting import format_setting, pluralize
from lrstudy.progress import in_words
from lrstudy.study.trial_result import TrialResult, best_of
from lrstudy.study.trial_runner import Proposer
from lrstudy.training.epoch import Epoch
from lrstudy.training.specification import PreflightResult, TrialSpecification


def estimate(survey: PreflightResult, trainings: int, epochs: int, at_a_time: int) -> str:
    """What is about to be trained on what, and about how long it will take."""
    data = survey.context.data
    height, width, _ = data.image_shape
    parts = " + ".join(str(number) for number in data.split_sizes.values())
    seconds = trainings * epochs * survey.epoch_seconds / min(at_a_time, trainings)
    left_out = f"; {pluralize(len(data.bad_images), 'broken image')} left out" if data.bad_images else ""
    return (
        f"data: {data.name}, {parts} images (training + validation + test) of {height}×{width} pixels"
        f"{left_out}\n"
        f"study: {pluralize(trainings, 'training')} of {pluralize(epochs, 'epoch')} on {survey.context.device}, "
        f"{at_a_time} at a time, {pluralize(survey.context.threads, 'thread')} each: about {_time(seconds)}, "
        "less what is on the server already"
    )


class StudyDisplay:
    """A live table in a terminal; elsewhere a line for each trial that ends."""

    def __init__(self, proposer: Proposer, epochs: int, survey: PreflightResult, at_a_time: int) -> None:
        self._proposer = proposer
        self._epochs = epochs
        self._trial_seconds = epochs * survey.epoch_seconds / at_a_time
        self._done: list[TrialResult] = []
        self._best: TrialResult | None = None
        self._running: dict[int, tuple[TrialSpecification, Epoch | None]] = {}
        self._started = time.monotonic()
        console = Console(stderr=True)
        self._live = Live(console=console, transient=True, get_renderable=self._render, refresh_per_second=4)

    def __enter__(self) -> StudyDisplay:
        if sys.stderr.isatty():
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def started(self, number: int, specification: TrialSpecification) -> None:
        """A trial has begun."""
        self._running[number] = specification, None

    def epoch(self, number: int, epoch: Epoch) -> None:
        """A trial has got so far."""
        specification, _ = self._running[number]
        self._running[number] = specification, epoch

    def done(self, done: TrialResult) -> None:
        """A trial has ended, or had before."""
        self._done.append(done)
        self._best = best_of([done, *([self._best] if self._best else [])])
        self._running.pop(done.number, None)
        if not sys.stderr.isatty():
            print(f"{self._progress()}  {_line(done)}", file=sys.stderr, flush=True)

    def _progress(self) -> str:
        return f"[{len(self._done)}/{self._proposer.planned}]"

    def _render(self) -> Group:
        running = list(self._running.values())  # which the study changes while this is drawn
        lines = [f"{what.name}: {in_words(last, self._epochs) if last else 'starts'}" for what, last in running]
        if self._best:
            lines.append(f"best so far: {_line(self._best)}")
        return Group(Text(f"{self._progress()} trials done, about {_time(self._left())} left"), *map(Text, lines))

    def _left(self) -> float:
        """Seconds: at first by the estimate, then more and more by how long the trials take."""
        under_way = sum(last.epoch / self._epochs for _, last in list(self._running.values()) if last)
        trained = sum(not done.reused for done in self._done) + under_way
        taken = time.monotonic() - self._started
        each = (self._trial_seconds + taken) / (1 + trained)
        return each * (self._proposer.planned - len(self._done) - under_way)


def table(done: Sequence[TrialResult]) -> Table:
    """A row for each trial with what tells it from the others, the best one marked.

    An optimizer's trials stand together, from the highest learning rate to the lowest.
    """
    best = best_of(done)
    settings = [one.specification.settings for one in done]
    optimizers = list(dict.fromkeys(one.optimizer for one in settings))
    varied = [name for name in ("hidden", "seed") if len({getattr(one, name) for one in settings}) > 1]
    shown = Table("optimizer", "lr", *varied, "val loss", "val accuracy", "verdict", "", box=None, pad_edge=False)
    for one in sorted(done, key=lambda one: _place(one, optimizers)):
        marks = ["best"] * (one is best) + ["reused"] * one.reused
        names = [format_setting(getattr(one.specification.settings, name)) for name in ("optimizer", "lr", *varied)]
        scores = (f"{one.val_loss:.4f}", f"{one.val_accuracy:.1%}") if one.verdict else ("", "")
        shown.add_row(*names, *scores, one.verdict or Text(f"failed: {one.reason}"), ", ".join(marks))
    return shown


def _place(done: TrialResult, optimizers: list[str]) -> tuple[object, ...]:
    settings = done.specification.settings
    return optimizers.index(settings.optimizer), -settings.lr, settings.hidden, settings.seed


def _line(done: TrialResult) -> str:
    if not done.verdict:
        return f"{done.specification.name} failed: {done.reason}"
    reused = " (reused)" if done.reused else ""
    return (
        f"{done.specification.name}  val loss {done.val_loss:.4f}  accuracy {done.val_accuracy:.1%}  "
        f"{done.verdict}{reused}"
    )


def _time(seconds: float) -> str:
    """`50 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
