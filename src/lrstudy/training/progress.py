"""The progress of a training: its epochs, and the best epoch's weights."""

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
    """The epochs of a training so far, the one with the lowest validation loss, and the weights after that one.

    The untrained network is the best one if the validation loss was never a finite number.
    """

    best_weights: dict[str, Tensor]
    history: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None


def initial_progress(training: TrainingSetup) -> Progress:
    """Return the progress of a training before its first epoch."""
    return Progress(copy.deepcopy(training.network.state_dict()))


def track_best(training: TrainingSetup, progress: Progress, epochs: Iterable[Epoch]) -> Iterator[Epoch]:
    """Yield `epochs`, each after recording it in `progress`."""
    for epoch in epochs:
        progress.history.append(epoch)
        if progress.best is None or epoch.score < progress.best.score:
            progress.best = epoch
            for name, value in training.network.state_dict().items():
                progress.best_weights[name].copy_(value)
        yield epoch


def finalize(training: TrainingSetup, progress: Progress) -> Result:
    """Return the result of a training that has ended.

    Load the best epoch's weights into the network, and evaluate them on the test split, the only time that it is used.
    """
    training.network.load_state_dict(progress.best_weights)
    test = evaluate(training.network, training.load_test())
    plan = training.plan
    verdict = judge(Curve(progress.history, plan.chance_loss, plan.chance_accuracy))
    best = progress.best or progress.history[0]
    return Result(tuple(progress.history), best, verdict, test["loss"], test["accuracy"])
