"""What one epoch of a training came to: a record that needs no PyTorch."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training part came to. Losses are mean cross-entropies in nats.

    Epoch 0 is the untrained network, evaluated on both parts. From epoch 1 on the training loss and accuracy are the
    means over the epoch's steps, each taken before its update, as deep-learning libraries commonly report them; those
    of validation are taken after the epoch's last step.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    train_seconds: float
    val_seconds: float

    @property
    def diverged(self) -> bool:
        """Whether a loss is no longer a finite number, from which no step leads back."""
        return not (math.isfinite(self.train_loss) and math.isfinite(self.val_loss))

    @property
    def score(self) -> float:
        """The validation loss, by which epochs are ranked: infinite where it is no finite number."""
        return self.val_loss if self.val_loss < math.inf else math.inf
