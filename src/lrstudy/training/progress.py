"""The progress of a training: its epochs, and the best epoch's weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn

from lrstudy.training.epoch import Epoch
from lrstudy.training.image_results import ImageResults
from lrstudy.training.loop import evaluate
from lrstudy.training.result import Result
from lrstudy.training.setup import TrainingSetup
from lrstudy.training.verdict import Curve, judge
from lrstudy.training.verdict_causes import cite_causes


@dataclass
class Progress:
    """The epochs of a training so far, the one with the lowest validation loss, and the weights after that one.

    The untrained network is the best one if the validation loss was never a finite number. `best_average` is the epoch
    at which the averaged weights had their lowest validation loss; `average_weights` is empty without an average.
    """

    best_weights: dict[str, Tensor]
    average_weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None
    best_average: Epoch | None = None

    def should_stop(self, patience: int) -> bool:
        """Return whether the validation loss has not improved for `patience` epochs; False if it is 0."""
        return bool(patience and self.best and self.history[-1].epoch - self.best.epoch >= patience)


def initial_progress(training: TrainingSetup) -> Progress:
    """Return the progress of a training before its first epoch."""
    average = training.average.network.state_dict() if training.average else {}
    return Progress(copy.deepcopy(training.network.state_dict()), copy.deepcopy(average))


def track_best(training: TrainingSetup, progress: Progress, epochs: Iterable[Epoch]) -> Iterator[Epoch]:
    """Yield `epochs`, each after recording it in `progress`; end early once the training's patience is exhausted."""
    patience = training.plan.settings.patience
    if progress.should_stop(patience):  # resumed from a checkpoint of the last epoch
        return
    for epoch in epochs:
        _record(training, progress, epoch)
        yield epoch
        if progress.should_stop(patience):
            return


def _record(training: TrainingSetup, progress: Progress, epoch: Epoch) -> None:
    progress.history.append(epoch)
    if progress.best is None or epoch.score < progress.best.score:
        progress.best = epoch
        _copy(training.network, progress.best_weights)
    best = progress.best_average
    if training.average and (best is None or epoch.val_loss_ema < best.val_loss_ema):
        progress.best_average = epoch
        _copy(training.average.network, progress.average_weights)


def _copy(network: nn.Module, weights: dict[str, Tensor]) -> None:
    for name, value in network.state_dict().items():
        weights[name].copy_(value)


def finalize(training: TrainingSetup, progress: Progress) -> Result:
    """Return the result of a training that has ended.

    Load the best epoch's weights into the network, and evaluate them on the test split, the only time that it is used.
    """
    training.network.load_state_dict(progress.best_weights)
    test_split = training.load_test()
    images = ImageResults()
    test = evaluate(training.network, test_split, images)
    if training.average:
        training.average.network.load_state_dict(progress.average_weights)
        test |= {f"{name}_ema": value for name, value in evaluate(training.average.network, test_split).items()}
    plan = training.plan
    judged = judge(Curve(progress.history, plan.chance_loss, plan.chance_accuracy))
    verdict = cite_causes(judged, progress.history, plan.chance_loss)
    best = progress.best or progress.history[0]
    left_out = training.diagnosis.left_out if training.diagnosis else ""
    return Result(tuple(progress.history), best, verdict, test, images.losses, progress.best_average, left_out)
