"""The trainings of a search: learning rates that one of Optuna's samplers draws log-uniformly.

What a trial is does not depend on which worker was faster: Optuna is told of the trials in their order, and before it
proposes trial n it has been told of those up to n - `window`, of no other. The window is the same for up to three
workers. So a search that is started again proposes the same trials again, and what is on the server is not trained a
second time.
"""

from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.distributions import FloatDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from lrstudy.settings import SearchSettings, TrainSettings
from lrstudy.study.optuna_study import ProposedTrial, StudyFile
from lrstudy.study.trial_result import TrialResult
from lrstudy.training.epoch import Epoch

# Up to three workers, with a trial that waits for the next free one, change nothing in what is proposed.
MIN_WINDOW = 4
# As many digits of a learning rate as are typed again without a slip.
DIGITS = 6

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    # With the constant liar, trials that still run count as bad, so that those beside them look elsewhere.
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, constant_liar=True),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "qmc": lambda seed: optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed, deterministic_objective=True),
}
PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "none": lambda _: optuna.pruners.NopPruner(),
    # At first larger learning rates always look better: a fifth of the epochs is for all.
    "median": lambda epochs: optuna.pruners.MedianPruner(n_warmup_steps=epochs // 5),
    "halving": lambda _: optuna.pruners.SuccessiveHalvingPruner(),
    "hyperband": lambda epochs: optuna.pruners.HyperbandPruner(max_resource=epochs),
}


def window(at_a_time: int) -> int:
    """How many trials may have been proposed since the last that Optuna was told of.

    One more than run side by side: it waits for the next free worker.
    """
    return max(MIN_WINDOW, at_a_time + 1)


class Search:
    """Proposes a search's trainings, its optimizers in turn."""

    def __init__(self, settings: SearchSettings, file: StudyFile, at_a_time: int) -> None:
        self._settings = settings
        self._window = window(at_a_time)
        self._studies = [
            file.create(
                f"search {name}", SAMPLERS[settings.sampler](settings.seed), PRUNERS[settings.pruner](settings.epochs)
            )
            for name in settings.optimizers
        ]
        self.prunes = settings.pruner != "none"
        self._proposed: list[ProposedTrial] = []
        self._ended: dict[int, TrialResult] = {}
        self._told = 0

    @property
    def planned(self) -> int:
        """The number of trainings."""
        return self._settings.trials * len(self._studies)

    def propose(self) -> TrainSettings | None:
        """The next training; None where none is left, or none before what runs has ended."""
        number = len(self._proposed)
        if number == self.planned or not self._tell_up_to(number - self._window):
            return None
        study = self._studies[number % len(self._studies)]
        trial = study.ask({"lr": FloatDistribution(self._settings.low, self._settings.high, log=True)})
        self._proposed.append(ProposedTrial(study, trial))
        optimizer = self._settings.optimizers[number % len(self._studies)]
        lr = float(f"{trial.params['lr']:.{DIGITS}g}")
        return self._settings.training(optimizer, lr, self._settings.hidden, self._settings.seed)

    def heard(self, number: int, epoch: Epoch) -> bool:
        """Whether a trial that got so far is to stop: Optuna's pruner says."""
        if not self.prunes:
            return False
        proposed = self._proposed[number]
        proposed.report(epoch.epoch, epoch.val_loss)
        return proposed.trial.should_prune()

    def tell(self, done: TrialResult) -> None:
        """Takes how a trial ended."""
        self._ended[done.number] = done

    def finish(self) -> list[str]:
        """Tells Optuna of what it was not told yet."""
        self._tell_up_to(len(self._proposed) - 1)
        return []

    def _tell_up_to(self, last: int) -> bool:
        """Tells Optuna how the trials up to `last` ended, in their order; whether all of them have."""
        while self._told <= last and self._told in self._ended:
            self._proposed[self._told].tell(self._ended[self._told])
            self._told += 1
        return self._told > last
