"""The early stop of a training that fails: a rule of its own curve, so that it is the same at every start.

A learning rate is not judged by its rank after a short training, which favours high rates. A training is stopped only
if it has diverged or collapsed when half of its epochs have passed, and was never better than guessing. It counts as
failed, as it would at its end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lrstudy.statistics.outcomes import FAILED
from lrstudy.training.epoch import Epoch
from lrstudy.training.specification import DataSummary
from lrstudy.training.verdict import Curve, Verdict, judge

# A validation loss above this share of the loss of guessing is not better than guessing.
NOT_BETTER = 0.98
# Shorter trainings go to their end.
MIN_EPOCHS = 4


def failure_at_half(history: Sequence[Epoch], epochs: int, data: DataSummary) -> Verdict | None:
    """Return the verdict with which a training is stopped after the last epoch of `history`; None if it continues.

    Args:
        history: the epochs so far, epoch 0 first.
        epochs: of the whole training.
        data: that the training uses.
    """
    if epochs < MIN_EPOCHS or history[-1].epoch != math.ceil(epochs / 2):
        return None
    if min(epoch.score for epoch in history) < NOT_BETTER * data.chance_loss:
        return None
    verdict = judge(Curve(history, data.chance_loss, data.chance_accuracy))
    return verdict if verdict.word in FAILED else None
