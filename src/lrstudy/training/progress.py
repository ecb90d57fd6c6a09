"""Watches a training to its end: keeps the best epoch's weights, and sums up what it came to."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from lrstudy.training.epoch import Epoch
from lrstudy.training.loop import evaluate
from lrstudy.training.result import Result
from lrstudy.training.setup import TrainingSetup
from lrstudy.training.verdict import Curve, judge


@dataclass
class Progress:
    """How far a training is: its epochs, the one with the lowest validation loss, and the weights after that one.

    Of a training whose validation loss was never a finite number, the untrained network is the best.
    """

    best_weights: dict[str, Tensor]
    history: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None


def initial_progress(experiment: TrainingSetup) -> Progress:
    """The progress of a training that has none."""
    return Progress(copy.deepcopy(experiment.network.state_dict()))


def track_best(experiment: TrainingSetup, progress: Progress, epochs: Iterable[Epoch]) -> Iterator[Epoch]:
    """Passes `epochs` on; when one is passed, `progress` has it."""
    for epoch in epochs:
        progress.history.append(epoch)
        if progress.best is None or epoch.score < progress.best.score:
            progress.best = epoch
            for name, value in experiment.network.state_dict().items():
                progress.best_weights[name].copy_(value)
        yield epoch


def finalize(experiment: TrainingSetup, progress: Progress) -> Result:
    """What a training that has ended came to.

    The network is left with the best epoch's weights, with which the test part, looked at here for the only time, is
    scored.
    """
    experiment.network.load_state_dict(progress.best_weights)
    test_loss, test_accuracy = evaluate(experiment.network, experiment.load_test())
    plan = experiment.plan
    verdict = judge(Curve(progress.history, plan.chance_loss, plan.chance_accuracy))
    best = progress.best or progress.history[0]
    return Result(tuple(progress.history), best, verdict, test_loss, test_accuracy)
