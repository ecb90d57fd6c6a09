"""Runs sorted into what can be compared: groups of equal settings, and in them the cells of the grid.

A cell is an optimizer with a learning rate; its trainings differ in their seeds alone. Only finished trainings with a
validation loss are in a cell: what runs, failed, was killed or pruned is counted beside them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

import numpy as np

from lrstudy.formatting import format_with_deviation
from lrstudy.optimizers import DEFAULT_OPTIMIZERS
from lrstudy.report.histories import Curve
from lrstudy.report.runs import LoadedRuns, Run
from lrstudy.server_names import (
    BEST_EPOCH,
    BEST_VAL_ACCURACY,
    BEST_VAL_LOSS,
    DATA_DIGEST,
    DESCRIPTION,
    FINAL,
    KIND,
    TEST_ACCURACY,
    VERDICT,
)

# What the axes of a grid are, and what changes a training's place and speed but not what it is.
AXES = {"optimizer", "lr", "log10_lr", "seed"}
OF_THE_MACHINE = {"device", "threads", "data_root"}
# What the digest of a data set stands for: of its images as they are scaled, and of their split.
OF_THE_DATA = {"data", "image_size", "fit", "bad_images", "split_seed"}
# Settings of torch's optimizers that say how they compute, not what.
SWITCHES = {"optimizer.foreach", "optimizer.fused", "optimizer.capturable", "optimizer.differentiable"}
# Higher learning rates are no numbers that a program has computed with.
HIGHEST = 1e30
# Of so many runs and more, a parameter that differs in each is a name and not a setting, if it is called like one…
MIN_NAMED = 4
NAMING = {"run", "trial", "out", "output", "outputs", "log", "logs", "logging", "logdir", "save", "checkpoint", "ckpt"}


@dataclass(frozen=True)
class Spread:
    """A mean over `n` seeds, and the sample standard deviation, not a number for one seed."""

    mean: float
    deviation: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of those of the values that are numbers; infinite ones make the mean infinite."""
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return cls(math.nan, math.nan, 0)
        finite = all(map(math.isfinite, known))
        mean = fmean(known) if finite else max(known, key=abs)
        return cls(mean, stdev(known) if finite and len(known) > 1 else math.nan, len(known))


@dataclass(frozen=True, eq=False)
class Training:
    """A finished run with a validation loss. Losses are in nats, not numbers where the run has none."""

    run: Run
    seed: str

    @property
    def verdict(self) -> str:
        """The word that the training was given when it ended; empty if none."""
        return self.run.tags.get(VERDICT, "")

    @property
    def reason(self) -> str:
        """The numbers that led to the verdict, in words; empty if none are on the server."""
        first = self.run.tags.get(DESCRIPTION, "").partition("\n")[0]
        return first.partition("**: ")[2].rstrip(".")

    @cached_property
    def diverged(self) -> bool:
        """Whether a loss is no finite number, or the training's own verdict says so."""
        losses = [self.values(name) for name in ("train_loss", "val_loss")]
        return self.verdict == "diverged" or not all(np.isfinite(one).all() for one in losses)

    def values(self, metric: str) -> np.ndarray:
        """The metric's values, float64, epoch by epoch; empty if there are none."""
        curve = self.run.curves.get(metric)
        return np.empty(0) if curve is None else curve.values

    @cached_property
    def best_epoch(self) -> float:
        """The epoch with the lowest validation loss."""
        curve = self.run.curves.get("val_loss")
        if curve is None or not np.isfinite(curve.values).any():
            return self.run.metrics.get(BEST_EPOCH, math.nan)
        return float(curve.steps[int(np.nanargmin(curve.values))])

    @cached_property
    def best_val_loss(self) -> float:
        """The lowest validation loss; infinite where none was a finite number."""
        finite = self.values("val_loss")[np.isfinite(self.values("val_loss"))]
        if len(finite):
            return float(finite.min())
        return self.run.metrics.get(BEST_VAL_LOSS, math.inf) if not len(self.values("val_loss")) else math.inf

    @property
    def best_val_accuracy(self) -> float:
        """The validation accuracy at the best epoch."""
        at_best = _at(self.run.curves.get("val_accuracy"), self.best_epoch)
        return self.run.metrics.get(BEST_VAL_ACCURACY, math.nan) if math.isnan(at_best) else at_best

    @property
    def test_accuracy(self) -> float:
        """The accuracy on the held-out test part."""
        return self.run.metrics.get(TEST_ACCURACY, math.nan)

    def last(self, metric: str) -> float:
        """The metric's value at the last epoch; infinite for a loss that is no number there."""
        values = self.values(metric)
        if not len(values):
            return self.run.metrics.get(f"{FINAL}{metric}", math.nan)
        return math.inf if metric.endswith("loss") and math.isnan(values[-1]) else float(values[-1])

    @property
    def untrained_loss(self) -> float:
        """The validation loss before the first epoch; not a number where what was logged first may be after it.

        Programs that count their epochs from 0 have at step 0 the first one's.
        """
        epochs = number(self.run.params.get("epochs", ""))
        if self.run.tags.get(KIND) == "train" or self.last_epoch >= epochs:
            return _at(self.run.curves.get("val_loss"), 0)
        return math.nan

    @property
    def last_epoch(self) -> float:
        """The last epoch that was logged."""
        curve = self.run.curves.get("val_loss")
        return math.nan if curve is None else float(curve.steps[-1])


@dataclass(frozen=True, eq=False)
class Cell:
    """An optimizer with a learning rate; `typed` is the learning rate as it was typed. One training a seed."""

    optimizer: str
    lr: float
    typed: str
    trainings: tuple[Training, ...]

    @property
    def name(self) -> str:
        """`adam 0.001`."""
        return f"{self.optimizer} {self.lr:g}"

    @property
    def n(self) -> int:
        """The number of seeds."""
        return len(self.trainings)

    @cached_property
    def diverged(self) -> int:
        """How many of the cell's trainings diverged."""
        return sum(one.diverged for one in self.trainings)

    @cached_property
    def loss(self) -> Spread:
        """Of the best validation loss."""
        return Spread.of(one.best_val_loss for one in self.trainings)

    @cached_property
    def accuracy(self) -> Spread:
        """Of the validation accuracy at the best epoch."""
        return Spread.of(one.best_val_accuracy for one in self.trainings)

    @cached_property
    def verdict(self) -> str:
        """The trainings' own verdict; of several the most common, and of as common ones the worst."""
        words = Counter(one.verdict for one in self.trainings if one.verdict)
        worst = ("diverged", "collapsed", "unstable", "too slow", "overfits", "good")
        return max(words, key=lambda word: (words[word], -worst.index(word) if word in worst else -9), default="")


@dataclass(frozen=True, eq=False)
class Group:
    """Trainings that can be compared: same data, split, network, epochs and all else but the axes of the grid.

    `cells` are in the order of optimizers and rising learning rates. `unranked` are the runs in no cell, by the reason:
    a status of MLflow's in lower case, `pruned`, `repeated`, or `no validation loss`.
    """

    settings: Mapping[str, str]
    cells: tuple[Cell, ...]
    unranked: Mapping[str, tuple[Run, ...]]

    @property
    def runs(self) -> list[Run]:
        """All of them, the ranked ones first."""
        ranked = [one.run for cell in self.cells for one in cell.trainings]
        return [*ranked, *(run for some in self.unranked.values() for run in some)]

    @property
    def ended(self) -> list[Run]:
        """Those that came to an end, pruned ones and repeated ones included."""
        return [run for run in self.runs if run.status == "FINISHED"]

    @property
    def optimizers(self) -> list[str]:
        """Those that have cells, in order."""
        return list(dict.fromkeys(cell.optimizer for cell in self.cells))

    def of(self, optimizer: str) -> list[Cell]:
        """An optimizer's cells by rising learning rate."""
        return [cell for cell in self.cells if cell.optimizer == optimizer]

    @property
    def family(self) -> tuple[tuple[str, str], ...]:
        """What groups have alike that differ in the shape of the network alone."""
        return tuple(sorted((name, value) for name, value in self.settings.items() if name != "hidden"))


def group(found: LoadedRuns) -> tuple[list[Group], list[str]]:
    """The groups, that with the most finished trainings first, and in sentences what is in none of them."""
    sorted_out: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    readable: list[Run] = []
    unreadable: list[Run] = []
    for run in found.trainings:
        there = 0 < rate_of(run) < HIGHEST and run.params.get("optimizer")
        (readable if there else unreadable).append(run)
    own, length = _own_to_each(readable), _usual_length(readable)
    for run in readable:
        settings = {name: value for name, value in _settings(run, length).items() if name not in own}
        sorted_out.setdefault(tuple(sorted(settings.items())), []).append(run)
    groups = [_group(dict(settings), runs) for settings, runs in sorted_out.items()]
    groups.sort(key=lambda one: (-sum(cell.n for cell in one.cells), min((c.loss.mean for c in one.cells), default=0)))
    remarks = []
    if own:
        remarks.append(f"Parameters that differ in every run are not taken for settings: {', '.join(sorted(own))}.")
    if unreadable:
        typed = ", ".join(run.params.get("lr", "none") for run in unreadable[:5])
        remarks.append(f"{len(unreadable)} runs have no learning rate above 0 that can be read: {typed}.")
    return groups, remarks


def rate_of(run: Run) -> float:
    """A run's learning rate; not a number if it has none that can be read."""
    return number(run.params.get("lr", ""))


def _own_to_each(runs: Sequence[Run]) -> set[str]:
    """Parameters that name a run, such as a folder of its output: all runs have them, and no two alike.

    What else differs in each run, such as the number of epochs, is a setting all the same.
    """
    if len(runs) < MIN_NAMED:
        return set()
    shared = set.intersection(*(set(run.params) for run in runs)) - AXES
    differ = {name for name in shared if len({setting(run.params[name]) for run in runs}) == len(runs)}
    return {name for name in differ if _is_name(name) or all(_names(run, run.params[name]) for run in runs)}


def _is_name(parameter: str) -> bool:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter).lower()
    return not NAMING.isdisjoint(re.split(r"[^a-z]+", words))


def _names(run: Run, value: str) -> bool:
    """… or has the run's own id or name in it."""
    return run.run_id in value or value == run.name


def _usual_length(runs: Sequence[Run]) -> int:
    """The last step of most runs: of a run that diverged it is not known how far it would have gone."""
    lengths = Counter(int(run.curves["val_loss"].steps[-1]) for run in runs if "val_loss" in run.curves)
    return lengths.most_common(1)[0][0] if lengths else 0


def number(text: str) -> float:
    """A parameter as a number, however it was typed (`1e-3`, `.001`, `'0.001'`); not a number if it is none."""
    try:
        return float(text.strip().strip("'\""))
    except ValueError:
        return math.nan


def whole(text: str) -> int:
    """A parameter as a whole number; 0 if it is no number."""
    found = number(text)
    return int(found) if math.isfinite(found) else 0


def _settings(run: Run, usual_length: int) -> dict[str, str]:
    """What a run must have alike with another to be compared with it."""
    digest = run.tags.get(DATA_DIGEST)
    left_out = AXES | OF_THE_MACHINE | (OF_THE_DATA if digest else set())
    logged = {"data sets": run.data} if run.data and not digest else {}
    settings = {
        name: setting(value)
        for name, value in run.params.items()
        if name not in left_out and not name.startswith("optimizer.")
    }
    if "epochs" not in settings and "val_loss" in run.curves:
        curve = run.curves["val_loss"]
        ended = np.isfinite(curve.values[-1]) and run.status == "FINISHED"
        settings["last step"] = str(int(curve.steps[-1]) if ended else usual_length)
    return settings | logged | ({"data": f"{_data_name(run)} ({digest[:8]})"} if digest else {})


def _data_name(run: Run) -> str:
    """The last part of the data's path, which may differ between machines."""
    return run.params.get("data", "data").rstrip("/").rpartition("/")[2]


def setting(text: str) -> str:
    """A setting so that equal ones are equal texts: numbers as numbers, lists without blanks."""
    parts = [part.strip().strip("'\"") for part in text.split(",")]
    return ",".join(part if math.isnan(number(part)) else f"{number(part):.12g}" for part in parts)


def _group(settings: Mapping[str, str], runs: Sequence[Run]) -> Group:
    cells: dict[tuple[str, str], dict[str, Training]] = {}
    names = _optimizers(runs)
    unranked: dict[str, list[Run]] = {}
    for run in reversed(runs):  # of equal trainings the latest counts
        reason = _not_ranked(run)
        if not reason:
            place = names[run.run_id], f"{rate_of(run):.9g}"
            seeds = cells.setdefault(place, {})
            seed = setting(run.params["seed"]) if "seed" in run.params else f"run {run.run_id}"
            if seed in seeds:
                reason = "repeated"
            else:
                seeds[seed] = Training(run, seed)
        if reason:
            unranked.setdefault(reason, []).insert(0, run)
    made = [_cell(optimizer, seeds) for (optimizer, _), seeds in cells.items()]
    made.sort(key=lambda cell: (_order(cell.optimizer), cell.lr))
    return Group(settings, tuple(made), {reason: tuple(some) for reason, some in sorted(unranked.items())})


def _optimizers(runs: Sequence[Run]) -> dict[str, str]:
    """The optimizer of each run, by its id; with those of its hyperparameters that are not the same in all its runs."""
    plain = {run.run_id: _optimizer(run.params["optimizer"]) for run in runs}
    hyper = {run.run_id: _hyperparameters(run) for run in runs}
    values: dict[tuple[str, str], Counter[str]] = {}
    for run in runs:
        for name, value in hyper[run.run_id].items():
            values.setdefault((plain[run.run_id], name), Counter())[value] += 1
    size = Counter(plain.values())
    return {
        run.run_id: " ".join(
            [
                plain[run.run_id],
                *(
                    f"{name.removeprefix('optimizer.')}={value}"
                    for name, value in hyper[run.run_id].items()
                    if values[plain[run.run_id], name][value] < size[plain[run.run_id]]
                ),
            ]
        )
        for run in runs
    }


def _optimizer(typed: str) -> str:
    """An optimizer's name, however it was typed: `Adam`, `'adam'`, `torch.optim.Adam`, `torch.optim.adam.Adam`."""
    name = typed.strip("'\" ").lower()
    return name.rpartition(".")[2] if re.fullmatch(r"([a-z_]\w*\.)+[a-z_]\w*", name) else name


def _hyperparameters(run: Run) -> dict[str, str]:
    """What the optimizer worked with besides the learning rate, in the order of the names."""
    names = sorted(name for name in run.params if name.startswith("optimizer.") and name not in SWITCHES)
    return {name: setting(run.params[name]) for name in names}


def _cell(optimizer: str, seeds: Mapping[str, Training]) -> Cell:
    trainings = [seeds[seed] for seed in sorted(seeds, key=lambda seed: (number(seed), seed))]
    typed = trainings[0].run.params["lr"].strip("'\" ")
    return Cell(optimizer, rate_of(trainings[0].run), typed, tuple(trainings))


def _order(optimizer: str) -> tuple[int, str]:
    return (
        DEFAULT_OPTIMIZERS.index(optimizer) if optimizer in DEFAULT_OPTIMIZERS else len(DEFAULT_OPTIMIZERS),
        optimizer,
    )


def _not_ranked(run: Run) -> str:
    """Why a run is in no cell; empty if it is in one."""
    if run.status != "FINISHED":
        return run.status.lower()
    if run.tags.get(VERDICT) == "pruned":
        return "pruned"
    return "" if "val_loss" in run.curves or BEST_VAL_LOSS in run.metrics else "no validation loss"


def _at(curve: Curve | None, epoch: float) -> float:
    """A curve's value at an epoch; not a number if it has none there."""
    if curve is None or math.isnan(epoch):
        return math.nan
    there = np.flatnonzero(curve.steps == epoch)
    return float(curve.values[there[0]]) if len(there) else math.nan


def format_spread(value: Spread, show: Callable[[float], str]) -> str:
    """A mean with its standard deviation."""
    return format_with_deviation(value.mean, value.deviation, show)
