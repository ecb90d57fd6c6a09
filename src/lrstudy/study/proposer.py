"""The interface between a study and the grid or search that proposes its trainings."""

from __future__ import annotations

from typing import Protocol

from lrstudy.settings import TrainSettings
from lrstudy.study.trial_result import TrialResult
from lrstudy.training.epoch import Epoch


class Proposer(Protocol):
    """The source of the trainings of a study, in the manner of Optuna's ask and tell.

    `prunes` is whether it may stop trials before their end.
    """

    prunes: bool

    @property
    def planned(self) -> int:
        """Return the number of trainings, as far as it is known."""

    def propose(self) -> TrainSettings | None:
        """Return the next training; None if there is none, or none before a running one ends."""

    def should_prune(self, number: int, epoch: Epoch) -> bool:
        """Take the report of an epoch; return whether its trial should stop."""

    def tell(self, result: TrialResult) -> None:
        """Take the result of a trial."""

    def finish(self) -> list[str]:
        """Take note that all trials have ended; return sentences for the user."""
