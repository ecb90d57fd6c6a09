"""The pilot of a decision: trainings that show how many epochs suffice.

They are trainings of the study like all others: logged, kept, and reused by a decision that is started again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from lrstudy.server_names import CHOSEN, STUDY
from lrstudy.settings import TrainSettings
from lrstudy.study.display import StudyDisplay
from lrstudy.study.estimate import estimate_study
from lrstudy.study.proposer import UnstoppedTrials
from lrstudy.study.study_run import RunningStudy, StudyRun
from lrstudy.study.trial_result import TrialResult
from lrstudy.study.trial_runner import TrialRunner

# The epochs are doubled at most this many times.
MAX_DOUBLINGS = 2
# The loss still falls if its minimum in this last share of the epochs is below that of all epochs before by more than
# the difference that matters.
LAST_SHARE = 0.25

Train = Callable[[TrainSettings], TrialResult]


@dataclass(frozen=True)
class Pilot:
    """The result of a pilot: the epochs to use, and whether the loss still fell at their end."""

    epochs: int
    still_falls: bool


def run_pilot(settings: TrainSettings, delta: float, max_doublings: int, train: Train) -> Pilot:
    """Train with `settings`, and with twice the epochs as long as the validation loss still falls at the end.

    Args:
        settings: of the training.
        delta: the difference that matters, as a share of the loss.
        max_doublings: how often the epochs may be doubled.
        train: trains, or returns the result of the same training of an earlier start.
    """
    for _ in range(max_doublings):
        if not still_falls(_validation_losses(train(settings)), delta):
            return Pilot(settings.epochs, still_falls=False)
        settings = settings.model_copy(update={"epochs": 2 * settings.epochs})
    return Pilot(settings.epochs, still_falls(_validation_losses(train(settings)), delta))


def still_falls(losses: Sequence[float], delta: float) -> bool:
    """Return whether a validation loss, given per epoch from epoch 0 on, fell by more than `delta` at the end."""
    if len(losses) < 2:  # such as of a training that failed
        return False
    last = max(1, round(LAST_SHARE * (len(losses) - 1)))
    before, after = min(losses[:-last]), min(losses[-last:])
    return math.isfinite(after) and after < (1 - delta) * before


def _validation_losses(result: TrialResult) -> list[float]:
    return [loss for _, loss in sorted(result.curve)]


def earlier_epochs(study: StudyRun) -> int | None:
    """Return the epochs that the latest earlier start of the same study has chosen; None if there is no such start."""
    name = f"{CHOSEN}epochs"
    earlier = [run.data.params for run in study.known_runs if run.data.tags.get(STUDY) == study.identity]
    chosen = [params[name] for params in earlier if name in params]
    return int(chosen[-1]) if chosen else None


@dataclass(frozen=True)
class PilotTrainings:
    """Trainings one at a time, each as a trial of a study."""

    running: RunningStudy
    # Below 0 and each once: late messages of a pilot are not taken for those of a trial that is proposed.
    _numbers: Iterator[int] = field(default_factory=lambda: count(-1, -1))

    def train(self, training: TrainSettings) -> TrialResult:
        """Train, resume, or reuse a training; return its result with its curve."""
        study, preflight, workers = self.running.study, self.running.preflight, self.running.workers
        of_training = self.running.settings.model_copy(update={"epochs": training.epochs})
        # The figures and the report follow the trainings after the pilot.
        expected = replace(estimate_study(of_training, preflight, 1, 1), end=0.0, earliest_end=0.0)
        proposer = _OneTraining(training)
        with StudyDisplay(proposer, training.epochs, expected, "of this training") as display:
            runner = TrialRunner(proposer, preflight, study, workers.executor, lambda: 1, display, next(self._numbers))
            (result,) = runner.run(workers.channel)
        return result


class _OneTraining(UnstoppedTrials):
    """The proposer of a single training."""

    needs_curves = True
    planned = 1

    def __init__(self, training: TrainSettings) -> None:
        self._left = [training]

    def propose(self) -> TrainSettings | None:
        return self._left.pop() if self._left else None

    def tell(self, result: TrialResult) -> None:
        pass

    def finish(self) -> list[str]:
        return []
