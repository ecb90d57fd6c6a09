"""What a training came to: its epochs, its best weights, its verdict, its score on the held-out test part."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass

from lrstudy.experiment import Experiment
from lrstudy.training import Epoch, evaluate
from lrstudy.verdict import Curve, Verdict, judge


@dataclass(frozen=True)
class Result:
    """A training that has ended. The experiment's network holds the weights of the epoch `best`."""

    history: tuple[Epoch, ...]
    best: Epoch
    verdict: Verdict
    test_loss: float
    test_accuracy: float

    @property
    def metrics(self) -> dict[str, float]:
        """What is logged once, at the end, by its names on the server."""
        last = self.history[-1]
        return {
            "best/val_loss": self.best.val_loss,
            "best/val_accuracy": self.best.val_accuracy,
            "best/epoch": self.best.epoch,
            "final/train_loss": last.train_loss,
            "final/val_loss": last.val_loss,
            "final/val_accuracy": last.val_accuracy,
            "test/loss": self.test_loss,
            "test/accuracy": self.test_accuracy,
            "time/train_seconds": sum(epoch.train_seconds for epoch in self.history[1:]),
        }


def watch(experiment: Experiment, epochs: Iterable[Epoch]) -> Result:
    """Takes a training's epochs as they come, keeps the best one's weights, and sums the training up at its end.

    The best epoch is the one of the lowest validation loss. The network is left with its weights, with which the test
    part, looked at here for the only time, is scored.
    """
    history: list[Epoch] = []
    lowest, weights = math.inf, copy.deepcopy(experiment.network.state_dict())
    for epoch in epochs:
        history.append(epoch)
        if epoch.val_loss < lowest:
            lowest = epoch.val_loss
            for name, value in experiment.network.state_dict().items():
                weights[name].copy_(value)
    experiment.network.load_state_dict(weights)
    # Of a training whose validation loss was never a finite number, the untrained network is the best.
    best = min(history, key=lambda epoch: epoch.val_loss if epoch.val_loss < math.inf else math.inf)
    test_loss, test_accuracy = evaluate(experiment.network, experiment.load_test())
    verdict = judge(Curve(history, experiment.plan.chance_loss, experiment.plan.chance_accuracy))
    return Result(tuple(history), best, verdict, test_loss, test_accuracy)
