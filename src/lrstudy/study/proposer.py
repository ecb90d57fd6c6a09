"""The interface between a study and the grid or search that proposes its trainings."""

from __future__ import annotations

from typing import Protocol

from lrstudy.settings import TrainSettings
from lrstudy.study.trial_result import TrialResult
from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Verdict


class Proposer(Protocol):
    """The source of the trainings of a study, in the manner of Optuna's ask and tell.

    `stops` is whether it may stop trials before their end, `needs_curves` whether it uses the validation losses of all
    epochs of results. `larger_budget` is the setting with which a study whose budget is spent continues, empty for all
    others.
    """

    stops: bool
    needs_curves: bool
    larger_budget: str

    @property
    def planned(self) -> int:
        """Return the number of trainings, as far as it is known."""

    def propose(self) -> TrainSettings | None:
        """Return the next training; None if there is none, or none before a running one ends."""

    def verdict_to_stop(self, number: int, epoch: Epoch) -> Verdict | None:
        """Take the report of an epoch; return the verdict with which its trial stops there, None if it continues."""

    def tell(self, result: TrialResult) -> None:
        """Take the result of a trial."""

    def finish(self) -> list[str]:
        """Take note that all trials have ended; return sentences for the user."""


class UnstoppedTrials:
    """The part of a proposer that lets all trials go to their end."""

    stops = False
    needs_curves = False
    larger_budget = ""

    def verdict_to_stop(self, number: int, epoch: Epoch) -> Verdict | None:  # noqa: ARG002
        """Return None."""
        return None
