"""What a worker of a study does: one training, told of as it goes, brought back whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from lrstudy import artifacts, experiment, runtime
from lrstudy.data import ImageData
from lrstudy.plan import Plan, load_data
from lrstudy.result import Result, watch
from lrstudy.settings import TrainSettings
from lrstudy.training import Epoch

Tell = Callable[[tuple[int, Epoch]], Any]


@dataclass(frozen=True)
class Outcome:
    """A training that has ended: what it came to, and its files by their paths."""

    result: Result
    files: dict[str, bytes]


def run_trial(number: int, settings: TrainSettings, tell: Tell) -> Outcome:
    """Trains what `settings` describe.

    Args:
        number: the trial's.
        settings: of the training.
        tell: called with the trial's number and each epoch as it ends.
    """
    machine = runtime.prepare(settings.device, settings.threads, settings.model)
    training = experiment.build(Plan(settings, _data(settings), machine))
    result = watch(training, _telling(number, training.epochs(), tell))
    return Outcome(result, artifacts.tables(training, result))


def _telling(number: int, epochs: Iterable[Epoch], tell: Tell) -> Iterator[Epoch]:
    for epoch in epochs:
        tell((number, epoch))
        yield epoch


def _data(settings: TrainSettings) -> ImageData:
    """The data set, loaded once a process: all trials of a study have the same."""
    of_data = ("data", "data_root", "image_size", "fit", "bad_images", "split_seed")
    return _loaded(TrainSettings(**{name: getattr(settings, name) for name in of_data}))


@cache
def _loaded(settings: TrainSettings) -> ImageData:
    return load_data(settings)
