"""A decision from its settings to its end: the length of a training, what the budget allows, and the study."""

from __future__ import annotations

import time

from lrstudy.errors import SettingsError
from lrstudy.formatting import format_setting, pluralize, setting_error
from lrstudy.server_names import DECISION
from lrstudy.settings import DecideSettings
from lrstudy.statistics.answer import Answer
from lrstudy.statistics.splits import compare_splits
from lrstudy.study import worker_tasks
from lrstudy.study.budget import Budget, TimeBudget, TrainingsBudget
from lrstudy.study.conclusion import Conclusion
from lrstudy.study.decide import Decide
from lrstudy.study.estimate import StudyEstimate, estimate_study, seconds_since_start
from lrstudy.study.helper_worker import HelperWorker
from lrstudy.study.optuna_study import StudyFile
from lrstudy.study.proposer import Proposer
from lrstudy.study.retried_task import RetriedTask
from lrstudy.study.run_study import run_study
from lrstudy.study.search import proposal_window
from lrstudy.training_steps import count_steps

# The optimizer of the pilot, if it is among those to choose from.
PILOT_OPTIMIZER = "adam"
# Kept free at the end of a time, in seconds and as a share of it.
RESERVE_SECONDS, RESERVE_SHARE = 1.0, 0.01


def run_decision(settings: DecideSettings, helper: HelperWorker) -> None:
    """Decide which optimizer and learning rate to use, and print and log the answer.

    Args:
        settings: of the decision.
        helper: runs the preflight of trainings with any number of steps.

    Raises:
        LearningRateStudyError: the study cannot begin or continue, every trial failed, or the budget is too small.
    """
    chosen = _choose_steps(settings, helper)
    answers: dict[int, Answer] = {}
    for number in range(settings.splits):
        split = chosen.model_copy(update={"split_seed": settings.split_seed + number})
        conclusion = _decide_split(split, helper, (number + 1) / settings.splits)
        if conclusion.answer:
            answers[split.split_seed] = conclusion.answer
    if settings.splits > 1:
        print(compare_splits(answers), flush=True)


def _decide_split(settings: DecideSettings, helper: HelperWorker, share: float) -> Conclusion:
    """Run the study of one split until `share` of the time is spent; return its conclusion."""
    helper.restart_preflight(settings.examples())

    def propose(file: StudyFile, concurrency: int) -> Proposer:
        return Decide(settings, file, proposal_window(concurrency), _budget(settings, helper, concurrency, share))

    return run_study(DECISION, settings, "decide", helper, propose)


def _choose_steps(settings: DecideSettings, helper: HelperWorker) -> DecideSettings:
    """Return the settings with the batch size and the epochs to use; print them with the reason."""
    images = helper.preflight().context.data.split_sizes["train"]
    chosen = settings.with_steps_for(images)
    steps = count_steps(images, int(chosen.batch_size), 1)
    if settings.batch_size == "auto":
        print(f"batch_size={chosen.batch_size}: {pluralize(steps, 'step')} per epoch of {images:,} images", flush=True)
    if settings.epochs != "auto":
        return chosen
    example = next((one for one in chosen.examples() if one.optimizer == PILOT_OPTIMIZER), chosen.examples()[0])
    pilot = RetriedTask(helper.executor, worker_tasks.run_pilot, example, settings.delta).result()
    falls = "still falls" if pilot.still_falls else "falls no more"
    print(
        f"epochs={pilot.epochs}: {steps * pilot.epochs:,} steps per training; at its end, the validation loss of "
        f"{example.optimizer_label} at {format_setting(example.lr)} {falls}",
        flush=True,
    )
    return settings.with_steps_for(images, pilot.epochs)


def _budget(settings: DecideSettings, helper: HelperWorker, concurrency: int, share: float) -> Budget:
    """Return the budget of a split, until `share` of the time is spent; of a number of trainings, an equal part.

    Raises:
        SettingsError: it is too small for a training of each optimizer.
    """
    if settings.trainings != "auto":
        return TrainingsBudget(settings.trainings // settings.splits)
    trainings = len(settings.optimizers)
    estimate = estimate_study(settings, helper.preflight(), seconds_since_start(), trainings, concurrency)
    total = 60 * settings.minutes * share
    at_once = min(concurrency, trainings)
    seconds = estimate.per_training * at_once
    left = total - seconds_since_start() - estimate.end - RESERVE_SECONDS - RESERVE_SHARE * total
    if left < trainings * estimate.per_training:
        raise SettingsError(_too_short(settings, estimate, trainings))
    return TimeBudget(settings.minutes, time.monotonic() + left, seconds, at_once)


def _too_short(settings: DecideSettings, estimate: StudyEstimate, trainings: int) -> str:
    """Return the error about a time that is too short, with settings that would do."""
    needed = 1.2 * (estimate.total(trainings) + RESERVE_SECONDS) / 60
    problem = (
        f"is too short for a training of each of the {pluralize(trainings, 'optimizer')}, which takes about "
        f"{estimate.total(trainings):.0f} seconds in all; use minutes={needed:.2g}, fewer epochs than "
        f"{settings.epochs}, or fewer optimizers."
    )
    return setting_error("minutes", settings.minutes, problem)
