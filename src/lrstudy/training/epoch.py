"""The record of one epoch, and the table of its metrics; importable without PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from lrstudy.server_names import WHY

if TYPE_CHECKING:
    from torch import Tensor

# The metrics beside the loss: each function takes a batch's logits `(n, classes)` and labels `(n,)`, and returns the
# sum over the batch's images. The epoch's metric is the sum over all batches, per image. To add one, add a row here,
# and to `Epoch` the fields `train_NAME` and `val_NAME`, or only one of them, with the default `math.nan`.
BATCH_SUMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "accuracy": lambda logits, labels: (logits.argmax(1) == labels).sum(),
}


@dataclass(frozen=True)
class Epoch:
    """The metrics of one pass over the training split. Losses are mean cross-entropies in nats.

    `learning_rate` is that of the epoch's last step; epoch 0 has that of the first step. Metrics that end in `_ema` are
    those of the averaged weights. Those that begin with `why_` are causes, measured in some epochs of a training with
    `diagnose`. A metric that a training does not have is NaN.

    Epoch 0 is the untrained network, evaluated on both splits. From epoch 1 on, the training metrics are means over the
    epoch's steps, each computed before its update, as is common in deep-learning libraries; the validation metrics are
    computed after the epoch's last step.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    train_seconds: float
    val_seconds: float
    learning_rate: float = math.nan
    val_balanced_accuracy: float = math.nan
    val_macro_f1: float = math.nan
    val_loss_ema: float = math.nan
    val_accuracy_ema: float = math.nan
    why_lr_over_critical: float = math.nan
    why_lr_over_best_step: float = math.nan
    why_no_descent: float = math.nan
    why_no_rise: float = math.nan
    why_update_ratio: float = math.nan
    why_gradient_norm: float = math.nan
    why_dead_units: float = math.nan
    why_saturated: float = math.nan

    @classmethod
    def of_splits(
        cls,
        epoch: int,
        train: dict[str, float],
        val: dict[str, float],
        seconds: tuple[float, float],
        learning_rate: float,
        causes: Mapping[str, float] = MappingProxyType({}),
    ) -> Self:
        """Make a record from the metrics of both splits by their names, and the seconds that each split took.

        `causes` are by the names of their fields.
        """
        metrics = {f"train_{name}": value for name, value in train.items()}
        metrics |= {f"val_{name}": value for name, value in val.items()}
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in metrics.items() if name in known}
        times = {"train_seconds": seconds[0], "val_seconds": seconds[1]}
        return cls(epoch, **values, **times, learning_rate=learning_rate, **causes)

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers that are logged for each epoch, by their names on the server."""
        logged = {name: value for name, value in asdict(self).items() if _is_metric(name)}
        metrics = {name: value for name, value in logged.items() if name in REQUIRED_METRICS or not math.isnan(value)}
        return metrics | self.causes

    @property
    def causes(self) -> dict[str, float]:
        """The causes that were measured in this epoch, by their names on the server."""
        values = {cause: getattr(self, field) for field, cause in CAUSES.items()}
        return {name: value for name, value in values.items() if not math.isnan(value)}

    @property
    def diverged(self) -> bool:
        """True if a loss is not a finite number; training cannot recover from that."""
        return not (math.isfinite(self.train_loss) and math.isfinite(self.val_loss))

    @property
    def score(self) -> float:
        """The validation loss, by which epochs are ranked; infinite if it is not a finite number."""
        return self.val_loss if self.val_loss < math.inf else math.inf


def _is_metric(name: str) -> bool:
    return name != "epoch" and not name.endswith("_seconds") and not name.startswith(_CAUSE)


_CAUSE = "why_"
# The names of the causes on the server, by their fields.
CAUSES = {
    field.name: f"{WHY}{field.name.removeprefix(_CAUSE)}" for field in fields(Epoch) if field.name.startswith(_CAUSE)
}


# The names of the metrics of an epoch, here and on the server.
METRICS = tuple(field.name for field in fields(Epoch) if _is_metric(field.name))
# Every run has these. A metric whose field has a default was added later: earlier runs lack it.
REQUIRED_METRICS = tuple(field.name for field in fields(Epoch) if field.name in METRICS and field.default is MISSING)
