"""The trainings of a search: learning rates between two limits, spread out at first, then drawn by Optuna's sampler.

A search that is started again proposes the same trials, so that those on the server are reused. Therefore no trial
depends on which worker was faster: Optuna gets the results in the order of the trials, and before it proposes trial n
it knows those up to n - `proposal_window`, and no other. The window is the same for up to three workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import optuna
from optuna.distributions import FloatDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from lrstudy.formatting import format_lr, pluralize
from lrstudy.settings import SearchSettings, TrainSettings
from lrstudy.study.initial_draws import evenly_spread_lr, optimizer_seed
from lrstudy.study.optuna_study import ProposedTrial, StudyFile
from lrstudy.study.trial_result import PRUNED, TrialResult
from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Verdict

# Up to three workers, and a trial that waits for the next free one, get the same proposals as a single worker.
MIN_WINDOW = 4
# The significant digits of a learning rate: few enough to be typed again without an error.
DIGITS = 6
# The samplers that adapt to results, from this many results of an optimizer on.
ADAPTIVE = ("tpe", "gp")
MIN_RESULTS = 10

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    # With the constant liar, running trials count as bad, so that trials beside them explore other learning rates.
    "tpe": lambda seed: optuna.samplers.TPESampler(n_startup_trials=MIN_RESULTS, seed=seed, constant_liar=True),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "qmc": lambda seed: optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False),
    "gp": lambda seed: optuna.samplers.GPSampler(n_startup_trials=MIN_RESULTS, seed=seed, deterministic_objective=True),
}
PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "none": lambda _: optuna.pruners.NopPruner(),
    # At first larger learning rates always look better: no trial is pruned in the first fifth of its epochs.
    "median": lambda epochs: optuna.pruners.MedianPruner(n_warmup_steps=epochs // 5),
    "halving": lambda _: optuna.pruners.SuccessiveHalvingPruner(),
    "hyperband": lambda epochs: optuna.pruners.HyperbandPruner(max_resource=epochs),
}


def proposal_window(concurrency: int) -> int:
    """Return the number of trials that are proposed before Optuna knows the result of the first of them.

    It is one more than run at a time, since one waits for the next free worker.
    """
    return max(MIN_WINDOW, concurrency + 1)


class Search:
    """The proposer of a search: its optimizers take turns."""

    larger_budget = ""

    def __init__(self, settings: SearchSettings, file: StudyFile, concurrency: int) -> None:
        self._settings = settings
        self._window = proposal_window(concurrency)
        self._studies = [
            file.create(
                f"search {name}",
                SAMPLERS[settings.sampler](optimizer_seed(name, settings.seed)),
                PRUNERS[settings.pruner](settings.epochs),
            )
            for name in settings.optimizers
        ]
        self.stops = self.needs_curves = settings.pruner != "none"
        self._proposed: list[ProposedTrial] = []
        self._results: dict[int, TrialResult] = {}
        self._next_to_tell = 0

    @property
    def planned(self) -> int:
        """Return the number of trainings."""
        return self._settings.trials * len(self._studies)

    def propose(self) -> TrainSettings | None:
        """Return the next training; None if there is none, or none before a running one ends."""
        number = len(self._proposed)
        if number == self.planned or not self._tell_results_up_to(number - self._window):
            return None
        settings, place = self._settings, number % len(self._studies)
        study, choice = self._studies[place], settings.choices[place]
        if (draw := number // len(self._studies)) < self._initial_draws:
            seed = optimizer_seed(choice.optimizer, settings.seed)
            study.enqueue_trial({"lr": evenly_spread_lr(draw, settings.low, settings.high, seed)})
        trial = study.ask({"lr": FloatDistribution(settings.low, settings.high, log=True)})
        self._proposed.append(ProposedTrial(study, trial))
        lr = float(f"{trial.params['lr']:.{DIGITS}g}")
        return settings.training(choice, lr, settings.hidden, settings.seed)

    def verdict_to_stop(self, number: int, epoch: Epoch) -> Verdict | None:
        """Return the verdict `pruned` if Optuna's pruner stops a trial after this epoch."""
        if not self.stops:
            return None
        proposed = self._proposed[number]
        proposed.report(epoch.epoch, epoch.val_loss)
        better = "other trials had a lower validation loss by then"
        return Verdict(PRUNED, better) if proposed.trial.should_prune() else None

    def tell(self, result: TrialResult) -> None:
        """Take the result of a trial."""
        self._results[result.number] = result

    def finish(self) -> list[str]:
        """Give Optuna the remaining results; return a sentence if no learning rate depended on results."""
        self._tell_results_up_to(len(self._proposed) - 1)
        settings, initial = self._settings, self._initial_draws
        if not initial or settings.trials > initial:
            return []
        lrs = pluralize(settings.trials, "learning rate")
        return [
            f"nothing was adapted to results: the {lrs} of each optimizer cover "
            f"the range from {format_lr(settings.low)} to {format_lr(settings.high)} evenly; with more than {initial} "
            f"trials, such as trials={2 * initial}, later ones are drawn where the results were good."
        ]

    @property
    def _initial_draws(self) -> int:
        """The number of learning rates per optimizer that are drawn before its sampler has enough results to adapt."""
        if self._settings.sampler not in ADAPTIVE:
            return 0
        return MIN_RESULTS - 1 + math.ceil(self._window / len(self._studies))

    def _tell_results_up_to(self, last: int) -> bool:
        """Give Optuna the results of the trials up to `last`, in their order; return whether all of them have ended."""
        while self._next_to_tell <= last and self._next_to_tell in self._results:
            self._proposed[self._next_to_tell].tell(self._results[self._next_to_tell])
            self._next_to_tell += 1
        return self._next_to_tell > last
