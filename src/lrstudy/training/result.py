"""The result of a training: epochs, verdict, score on the held-out test split; importable without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lrstudy.data.value_ranges import Ranges
from lrstudy.image_losses import VAL_LOSSES, from_npy
from lrstudy.server_names import (
    BEST_EPOCH,
    BEST_EPOCH_EMA,
    BEST_VAL_ACCURACY,
    BEST_VAL_BALANCED_ACCURACY,
    BEST_VAL_LOSS,
    BEST_VAL_LOSS_EMA,
    BEST_VAL_MACRO_F1,
    FINAL_TRAIN_LOSS,
    FINAL_VAL_ACCURACY,
    FINAL_VAL_LOSS,
    TEST,
    TRAIN_SECONDS,
)
from lrstudy.training import history as history_table
from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Verdict

# The files of a training that other modules read.
HISTORY, CONFUSION, WEIGHTS, DATA_FACTS = "history.csv", "confusion_matrix.csv", "weights.pt", "data.json"
# The averaged weights of a training with an average.
AVERAGED_WEIGHTS = "weights_ema.pt"
# The last state of a training that keeps it.
LAST_STATE = "last_state.pt"
# The names of its figures; `layers` is a folder.
PICTURES = ("loss_curves", "confusion_matrix", "layers", "mistakes")


@dataclass(frozen=True)
class Result:
    """A training that has ended; `best` is the epoch of the lowest validation loss.

    `test` are the metrics on the held-out test split, among them `loss` and `accuracy`, and `test_losses` the losses of
    its images, float32 `(images,)`. `best_average` is the epoch at which the averaged weights had their lowest
    validation loss; None without an average. `causes_left_out` is a sentence on causes that could not be measured.
    """

    history: tuple[Epoch, ...]
    best: Epoch
    verdict: Verdict
    test: Mapping[str, float]
    test_losses: np.ndarray = field(compare=False)
    best_average: Epoch | None = None
    causes_left_out: str = ""

    @property
    def test_accuracy(self) -> float:
        """The accuracy on the held-out test split."""
        return self.test["accuracy"]

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics that are logged once, at the end, by their names on the server."""
        last, average = self.history[-1], self.best_average
        averaged = {BEST_VAL_LOSS_EMA: average.val_loss_ema, BEST_EPOCH_EMA: average.epoch} if average else {}
        return {
            BEST_VAL_LOSS: self.best.val_loss,
            BEST_VAL_ACCURACY: self.best.val_accuracy,
            BEST_EPOCH: self.best.epoch,
            FINAL_TRAIN_LOSS: last.train_loss,
            FINAL_VAL_LOSS: last.val_loss,
            FINAL_VAL_ACCURACY: last.val_accuracy,
            BEST_VAL_BALANCED_ACCURACY: self.best.val_balanced_accuracy,
            BEST_VAL_MACRO_F1: self.best.val_macro_f1,
            **{f"{TEST}{name}": value for name, value in self.test.items()},
            **averaged,
            TRAIN_SECONDS: sum(epoch.train_seconds for epoch in self.history[1:]),
        }


@dataclass(frozen=True)
class ModelInputs:
    """The inputs of a trained network: example images, their normalisation, and the names of the classes.

    `example` is uint8 `(2, side, side, channels)`: from a single image the exporter would conclude that a batch never
    holds more than one. `mean` and `std` are per channel, in units of 0 to 255. `fit` and `ranges` are those of
    `ImageFormat`.
    """

    example: np.ndarray
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    fit: str
    ranges: Ranges = field(default_factory=dict)


@dataclass(frozen=True)
class Beginning:
    """The part of a training that its run has kept, for another one to begin with: its epochs, and a file's content.

    `weights` are those of its best epoch; None if it has kept `state`, its last state.
    """

    history: tuple[Epoch, ...]
    best_epoch: int
    state: bytes | None
    weights: bytes | None

    @property
    def last_epoch(self) -> int:
        """The epoch after which the other training continues."""
        return self.best_epoch if self.state is None else self.history[-1].epoch


@dataclass(frozen=True)
class Machine:
    """The machine of a training: its name in the network, and its hardware in words."""

    name: str
    hardware: str


@dataclass(frozen=True)
class WorkerResult:
    """A worker's epochs, result, and files by their paths, and its machine.

    A trial that the study has stopped has no result; `stopped` is its verdict. `left_out` is that of the training's
    `Passes`.
    """

    history: tuple[Epoch, ...]
    result: Result | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    inputs: ModelInputs | None = None
    machine: Machine | None = None
    left_out: str = ""
    stopped: Verdict | None = None

    @property
    def best(self) -> Epoch:
        """The epoch of the lowest validation loss."""
        return self.result.best if self.result else min(self.history, key=lambda epoch: epoch.score)

    @property
    def val_losses(self) -> np.ndarray | None:
        """The loss of each validation image at the best epoch, float32 `(images,)`; None for a stopped trial."""
        return from_npy(self.files[VAL_LOSSES]) if self.result else None


def stopped_result(history: Sequence[Epoch], verdict: Verdict, machine: Machine | None) -> WorkerResult:
    """Return the result of a trial that was stopped with `verdict` after the last epoch of `history`."""
    files = {HISTORY: history_table.to_csv(history)}
    return WorkerResult(tuple(history), files=files, machine=machine, stopped=verdict)
