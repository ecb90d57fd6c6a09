"""The trainings of a decision: each is chosen by the results of earlier ones, until the answer is sure.

A decision that is started again proposes the same trainings, so that those on the server are reused. Therefore none
depends on which worker was faster: training n is chosen by the results of those up to n - `proposal_window`.
"""

from __future__ import annotations

import math

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from lrstudy.formatting import pluralize
from lrstudy.optimizers import usual_lr
from lrstudy.settings import TrainSettings
from lrstudy.settings.decide import DecideSettings
from lrstudy.settings.fields import MAX_FLOAT, MIN_FLOAT, is_valid_lr
from lrstudy.statistics.answer import MAX_MISSING_TRAININGS, find_answer
from lrstudy.statistics.outcomes import Cell, Outcomes
from lrstudy.statistics.race import next_training
from lrstudy.statistics.sentences import ESTIMATE
from lrstudy.study.budget import Budget
from lrstudy.study.early_stop import failure_at_half
from lrstudy.study.optuna_study import ProposedTrial, StudyFile
from lrstudy.study.trial_outcomes import outcome_of
from lrstudy.study.trial_result import TrialResult
from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Verdict

# The trainings that try learning rates beside the best ones.
SURROUNDING_TRAININGS = 4


class Decide:
    """The proposer of a decision.

    Args:
        settings: of the decision.
        file: for Optuna's record of the trials.
        window: the number of trainings that are proposed before the result of the first of them is known.
        budget: of the decision.
    """

    stops = True
    needs_curves = False

    def __init__(self, settings: DecideSettings, file: StudyFile, window: int, budget: Budget) -> None:
        self._settings = settings
        self._window = window
        self._budget = budget
        sampler = optuna.samplers.RandomSampler(seed=settings.seed)  # which is never asked: each trial is given
        self._study = file.create("decide", sampler, optuna.pruners.NopPruner())
        self._choices = {
            settings.training(choice, 1.0, settings.hidden, 0).optimizer_label: choice for choice in settings.choices
        }
        self._starts = [Cell(label, usual_lr(choice.optimizer)) for label, choice in self._choices.items()]
        self._proposed: list[tuple[TrainSettings, ProposedTrial]] = []
        self._results: dict[int, TrialResult] = {}
        self._epochs: dict[int, list[Epoch]] = {}
        # The last cell that was chosen, with the numbers of known and proposed trainings that it followed from.
        self._latest: tuple[tuple[int, int], Cell | None] | None = None
        # Whether the answer is sure, and whether the budget has ended before that.
        self.sure = self.exhausted = False
        self.larger_budget = ""

    @property
    def planned(self) -> int:
        """Return the number of trainings that the budget allows; those proposed, once no more follow."""
        proposed = len(self._proposed)
        return proposed if self.sure or self.exhausted else max(proposed, self._budget.expected(proposed))

    def propose(self) -> TrainSettings | None:
        """Return the next training; None if there is none, or none before a running one ends."""
        number = len(self._proposed)
        if self.sure or self.exhausted or not self._knows(number - self._window):
            return None
        cell = self._next_cell(max(number - self._window + 1, 0))
        if cell is None and not self._knows(number - 1):
            return None
        if cell is None and (cell := self._next_cell(number)) is None:
            self.sure = True
            return None
        if not self._budget.allows(number):
            self.exhausted = True
            return None
        return self._start(cell)

    def _knows(self, last: int) -> bool:
        """Return whether the results of the trainings up to `last` are known."""
        return all(number in self._results for number in range(last + 1))

    def _next_cell(self, known: int) -> Cell | None:
        """Return the cell of the next training by the results of the first `known` ones; None if the answer is sure."""
        state = known, len(self._proposed)
        if self._latest is None or self._latest[0] != state:  # this is asked again and again while trainings run
            settings, outcomes = self._settings, self._outcomes(known)
            # A training that failed, such as one that was killed too often, says nothing about its cell.
            failed = [place for place in range(known) if not self._results[place].completed]
            pending = [_cell(self._proposed[place][0]) for place in (*failed, *range(known, len(self._proposed)))]
            cell = next_training(outcomes, pending, self._starts, settings.delta, settings.confidence, _is_valid)
            self._latest = state, cell
        return self._latest[1]

    def _outcomes(self, known: int) -> Outcomes:
        """Return the outcomes of the first `known` trainings."""
        results = (self._results[number] for number in range(known))
        return Outcomes(outcome_of(result) for result in results if result.completed)

    def _start(self, cell: Cell) -> TrainSettings:
        """Propose a training of `cell` with its next seed."""
        settings, number = self._settings, len(self._proposed)
        seed = settings.seed + sum(_cell(other) == cell for other, _ in self._proposed)
        training = settings.training(self._choices[cell.optimizer], cell.lr, settings.hidden, seed)
        self._study.enqueue_trial({"optimizer": cell.optimizer, "lr": cell.lr, "seed": seed})
        self._proposed.append((training, ProposedTrial(self._study, self._study.ask(self._distributions))))
        self._budget.on_started(number)
        return training

    @property
    def _distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        return {
            "optimizer": CategoricalDistribution(list(self._choices)),
            "lr": FloatDistribution(MIN_FLOAT, MAX_FLOAT, log=True),
            "seed": IntDistribution(0, 2**32 - 1),
        }

    def verdict_to_stop(self, number: int, epoch: Epoch) -> Verdict | None:
        """Return the verdict of a training that has failed at half of its epochs, if earlier ones have learned.

        The earlier ones are those that were known when it was proposed, in whatever order workers finish.
        """
        history = self._epochs.setdefault(number, [])
        history.append(epoch)
        if number < self._window:  # nothing was known then
            return None
        data = self._results[0].specification.context.data
        verdict = failure_at_half(history, self._proposed[number][0].epochs, data)
        earlier = (self._results[place] for place in range(number - self._window + 1))
        learned = verdict and any(result.completed and not outcome_of(result).failed for result in earlier)
        return verdict if learned else None

    def tell(self, result: TrialResult) -> None:
        """Take the result of a trial."""
        self._results[result.number] = result
        self._proposed[result.number][1].tell(result)
        self._budget.on_ended(result.number, whole=not (result.reused or result.stopped))

    def finish(self) -> list[str]:
        """Return a sentence on what would make the answer sure if the budget has ended before."""
        if self.sure:
            return []
        answer = find_answer(self._outcomes(len(self._results)), self._settings.delta, self._settings.confidence)
        missing = answer.missing_trainings
        if answer.is_sure:  # of the cells tried; a cell beside the best ones was to follow
            further = SURROUNDING_TRAININGS
            spent = (
                "The budget is spent before the best learning rates had others tried beside them, half a decade away"
            )
        elif math.isinf(missing):
            further = len(self._proposed)
            spent = "The budget is spent. How many further trainings would make the answer sure is not known yet"
        elif missing > MAX_MISSING_TRAININGS:
            return [f"The budget is spent; a sure answer takes more than {MAX_MISSING_TRAININGS:,} further trainings."]
        else:
            further = int(missing)
            trainings = pluralize(further, "further training")
            spent = f"The budget is spent. About {trainings} would make the answer sure, {ESTIMATE}"
        self.larger_budget = self._budget.enlarged(further)
        return [f"{spent}: the same command with {self.larger_budget} continues, and trains nothing twice."]


def _cell(settings: TrainSettings) -> Cell:
    return Cell(settings.optimizer_label, settings.lr)


def _is_valid(cell: Cell) -> bool:
    return is_valid_lr(cell.lr)
