"""The display of a study: the running trials and their progress, the best result so far, and the time left."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from statistics import fmean, stdev

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lrstudy.formatting import format_loss, format_percent, format_setting, format_with_deviation, pluralize
from lrstudy.redaction import first_line
from lrstudy.study.conclusion import Conclusion
from lrstudy.study.data_messages import describe_data
from lrstudy.study.estimate import StudyEstimate
from lrstudy.study.progress import format_epoch
from lrstudy.study.proposer import Proposer
from lrstudy.study.trial_result import TrialResult, best_of
from lrstudy.training.epoch import Epoch
from lrstudy.training.specification import PreflightResult, TrialSpecification
from lrstudy.verdicts.of_seeds import most_common_verdict


def describe_study(
    preflight: PreflightResult, estimate: StudyEstimate, trainings: int, epochs: int, concurrency: int
) -> str:
    """Return lines on the data, the trainings, and the estimated time of the whole command."""
    context = preflight.context
    return (
        f"{describe_data(context.data)}"
        f"study: {pluralize(trainings, 'training')} of {pluralize(epochs, 'epoch')} on {context.device}, "
        f"{concurrency} at a time, {pluralize(context.threads, 'thread')} each: "
        f"about {_duration(estimate.total(trainings))} in all, with start, figures, model and report, "
        "minus trainings that are already on the server"
    )


class StudyDisplay:
    """A live display in a terminal; elsewhere a line per trial that ends.

    Args:
        proposer: of the trials.
        epochs: of each.
        estimate: of the time that they take, with what follows them.
        part: the part of a command that this time is of, as in "of the pilot"; empty for all of it.
    """

    def __init__(self, proposer: Proposer, epochs: int, estimate: StudyEstimate, part: str = "") -> None:
        self._proposer = proposer
        self._epochs = epochs
        self._estimate = estimate
        self._left = f"left {part}".strip()
        self._results: list[TrialResult] = []
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

    def on_trial_started(self, number: int, specification: TrialSpecification) -> None:
        """Show a trial."""
        self._running[number] = specification, None

    def on_epoch(self, number: int, epoch: Epoch) -> None:
        """Show how far a trial is."""
        specification, _ = self._running[number]
        self._running[number] = specification, epoch

    def on_trial_retried(self, number: int, error: BaseException) -> None:
        """Print why a trial is retried."""
        specification, _ = self._running[number]
        self._running[number] = specification, None
        print(f"{self._progress()}  {specification.name} is retried: {first_line(error)}", file=sys.stderr, flush=True)

    def on_trial_ended(self, result: TrialResult) -> None:
        """Add the result of a trial."""
        self._results.append(result)
        self._best = best_of([result, *([self._best] if self._best else [])])
        self._running.pop(result.number, None)
        if not sys.stderr.isatty():
            print(f"{self._progress()}  {_line(result)}  {self._time_left()}", file=sys.stderr, flush=True)

    def _progress(self) -> str:
        return f"[{len(self._results)}/{self._proposer.planned}]"

    def _render(self) -> Group:
        running = list(self._running.values())  # The study changes it while this thread renders.
        lines = [
            f"{specification.name}: {format_epoch(last, self._epochs) if last else 'starts'}"
            for specification, last in running
        ]
        if self._best:
            lines.append(f"best so far: {_line(self._best)}")
        return Group(Text(f"{self._progress()} trials done, {self._time_left()}"), *map(Text, lines))

    def _time_left(self) -> str:
        return f"about {_duration(self._seconds_left())} {self._left}"

    def _seconds_left(self) -> float:
        """Return the seconds left: at first by the estimate, then more and more by the time that trials take."""
        partial = sum(last.epoch / self._epochs for _, last in list(self._running.values()) if last)
        trained = sum(not result.reused for result in self._results) + partial
        elapsed = time.monotonic() - self._started
        seconds_per_trial = (self._estimate.per_training + elapsed) / (1 + trained)
        left = self._proposer.planned - len(self._results) - partial
        return self._estimate.left(left, seconds_per_trial, elapsed)


def result_table(results: Sequence[TrialResult], conclusion: Conclusion) -> Table:
    """Return a row per cell with the settings that vary and its results over the seeds; the best cell is marked.

    The cells of an optimizer are adjacent, from the highest learning rate to the lowest.
    """
    cells: dict[tuple[object, ...], list[TrialResult]] = {}
    optimizers = list(dict.fromkeys(result.specification.settings.optimizer_label for result in results))
    for result in sorted(results, key=lambda result: _sort_key(result, optimizers)):
        cells.setdefault(_sort_key(result, optimizers), []).append(result)
    best = {result.number for result in conclusion.best if conclusion.best_label}
    several_shapes = len({result.specification.settings.hidden for result in results}) > 1
    several_seeds = any(len(trials) > 1 for trials in cells.values())
    varied = [*["hidden"] * several_shapes, *["seeds"] * several_seeds]
    rows = Table(box=None, pad_edge=False)
    for header in ("optimizer", "lr", *varied, "val loss", "val accuracy", "verdict", ""):
        rows.add_column(header, no_wrap=header not in ("verdict", ""))
    for trials in cells.values():
        training = trials[0].specification.settings
        names = [training.optimizer_label, format_setting(training.lr)]
        names += [format_setting(training.hidden)] * several_shapes + [str(len(trials))] * several_seeds
        marks = [conclusion.best_label] * (trials[0].number in best)
        rows.add_row(*names, *_scores(trials), Text(_verdicts(trials)), ", ".join([*marks, *_reused(trials)]))
    return rows


def _sort_key(result: TrialResult, optimizers: list[str]) -> tuple[object, ...]:
    settings = result.specification.settings
    return optimizers.index(settings.optimizer_label), -settings.lr, settings.hidden


def _scores(trials: Sequence[TrialResult]) -> tuple[str, str]:
    """Return the loss and the accuracy of a cell, with their deviations over several seeds."""
    ended = [trial for trial in trials if trial.verdict]
    losses, accuracies = [trial.val_loss for trial in ended], [trial.val_accuracy for trial in ended]
    if len(ended) > 1 and all(map(math.isfinite, losses)):
        return (
            format_with_deviation(fmean(losses), stdev(losses), format_loss),
            format_with_deviation(fmean(accuracies), stdev(accuracies), format_percent),
        )
    return (f"{fmean(losses):.4f}", f"{fmean(accuracies):.1%}") if ended else ("", "")


def _verdicts(trials: Sequence[TrialResult]) -> str:
    """Return the verdict of a cell, and of how many of its trainings if not of all: `good (2 of 3)`."""
    words = [trial.verdict or f"failed: {trial.reason}" for trial in trials]
    main = most_common_verdict(trial.verdict for trial in trials) or words[0]
    count = words.count(main)
    return main if count == len(words) else f"{main} ({count} of {len(words)})"


def _reused(trials: Sequence[TrialResult]) -> list[str]:
    """Return how many trainings of a cell existed before the study."""
    reused = sum(trial.reused for trial in trials)
    return [] if not reused else ["reused"] if reused == len(trials) else [f"{reused} of {len(trials)} reused"]


def _line(result: TrialResult) -> str:
    if not result.verdict:
        return f"{result.specification.name} failed: {result.reason}"
    reused = " (reused)" if result.reused else ""
    return (
        f"{result.specification.name}  val loss {result.val_loss:.4f}  accuracy {result.val_accuracy:.1%}  "
        f"{result.verdict}{reused}"
    )


def _duration(seconds: float) -> str:
    """Return `50 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
