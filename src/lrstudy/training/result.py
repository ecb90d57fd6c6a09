"""What a training came to: its epochs, its verdict, its score on the held-out test part. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lrstudy.training import history as table
from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Verdict

# Those of a training's files that are read again.
HISTORY, CONFUSION, WEIGHTS = "history.csv", "confusion_matrix.csv", "weights.pt"
# The names of its pictures.
PICTURES = ("loss_curves", "confusion_matrix", "first_layer_filters", "what_each_layer_sees")


@dataclass(frozen=True)
class Result:
    """A training that has ended; `best` is the epoch of the lowest validation loss."""

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


@dataclass(frozen=True)
class Outcome:
    """What a worker brings back: the epochs, the result and its files by their paths; a pruned trial has no result."""

    history: tuple[Epoch, ...]
    result: Result | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def best(self) -> Epoch:
        """The epoch of the lowest validation loss."""
        return self.result.best if self.result else min(self.history, key=lambda epoch: epoch.score)


def cut_off(epochs: Sequence[Epoch], last: int) -> Outcome:
    """What a trial comes to that is pruned after the epoch `last`."""
    history = tuple(epochs[: last + 1])
    return Outcome(history, files={HISTORY: table.write(history)})
