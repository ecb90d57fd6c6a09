"""A decision from its settings to its end: the length of a training, what the budget allows, and the study."""

from __future__ import annotations

import math
import sys
import time

from lrstudy.errors import SettingsError
from lrstudy.formatting import format_setting, pluralize, setting_error
from lrstudy.process_times import import_seconds, seconds_since_start
from lrstudy.server_names import CHOSEN, DECISION
from lrstudy.settings import DecideSettings
from lrstudy.statistics.answer import Answer
from lrstudy.statistics.sentences import share as format_share
from lrstudy.statistics.splits import compare_splits
from lrstudy.study.budget import Budget, TimeBudget, TrainingsBudget
from lrstudy.study.conclusion import Conclusion
from lrstudy.study.decide import Decide
from lrstudy.study.decision_lengths import chance_of_sure_answer
from lrstudy.study.estimate import estimate_study
from lrstudy.study.executors import trainings_at_once
from lrstudy.study.helper_worker import HelperWorker
from lrstudy.study.optuna_study import StudyFile
from lrstudy.study.pilot import MAX_DOUBLINGS, PilotTrainings, earlier_epochs, run_pilot
from lrstudy.study.proposer import Proposer
from lrstudy.study.run_study import Report, run_study
from lrstudy.study.search import proposal_window
from lrstudy.training.specification import PreflightResult
from lrstudy.training_steps import count_steps

# The optimizer of the pilot, if it is among those to choose from.
PILOT_OPTIMIZER = "adam"
# Kept free at the end of a time, in seconds and as a share of it.
RESERVE_SECONDS, RESERVE_SHARE = 1.0, 0.01
# Fewer trainings of each optimizer than three learning rates and another seed are few: the pilot doubles the epochs
# only if so many still fit in the time.
FEW_TRAININGS = 4


def run_decision(settings: DecideSettings, helper: HelperWorker, report: Report) -> None:
    """Decide which optimizer and learning rate to use, and print and log the answer.

    Args:
        settings: of the decision.
        helper: runs the preflight of trainings with any number of steps.
        report: logs the report on a study.

    Raises:
        LearningRateStudyError: the study cannot begin or continue, every trial failed, or the budget is too small.
    """
    import_seconds()
    settings = _choose_batch_size(settings, helper)
    answers: dict[int, Answer] = {}
    for number in range(settings.splits):
        split = settings.model_copy(update={"split_seed": settings.split_seed + number})
        if number:
            images = helper.preflight().context.data.split_sizes["train"]
            helper.restart_preflight(split.with_steps_for(images).examples())
        complete, conclusion = _decide_split(split, helper, (number + 1) / settings.splits, report)
        settings = settings.model_copy(update={"epochs": complete.epochs})
        if conclusion.answer:
            answers[split.split_seed] = conclusion.answer
    if settings.splits > 1:
        print(compare_splits(answers), flush=True)


def _decide_split(
    settings: DecideSettings, helper: HelperWorker, share: float, report: Report
) -> tuple[DecideSettings, Conclusion]:
    """Run the study of one split until `share` of the time is spent; return its settings and its conclusion."""

    def complete(settings: DecideSettings, pilot: PilotTrainings) -> DecideSettings:
        return _choose_epochs(settings, helper, pilot)

    def propose(settings: DecideSettings, file: StudyFile, most_at_once: int) -> Proposer:
        decide = Decide(settings, file, proposal_window(most_at_once), _budget(settings, helper, share))
        print(_chances(decide.planned, settings), flush=True)
        _warn_of_few(decide.planned, settings, helper, share)
        return decide

    return run_study(DECISION, settings, "decide", helper, propose, report, complete)


def _choose_batch_size(settings: DecideSettings, helper: HelperWorker) -> DecideSettings:
    """Return the settings with the batch size to use; print it. Restart the preflight with it, which times an epoch."""
    images = helper.preflight().context.data.split_sizes["train"]
    chosen = settings.with_steps_for(images)
    if settings.batch_size == "auto":
        steps = pluralize(count_steps(images, int(chosen.batch_size), 1), "step")
        print(f"batch_size={chosen.batch_size}: {steps} per epoch of {images:,} images", flush=True)
    helper.restart_preflight(chosen.examples())
    return settings.model_copy(update={"batch_size": chosen.batch_size})


def _choose_epochs(settings: DecideSettings, helper: HelperWorker, pilot: PilotTrainings) -> DecideSettings:
    """Return the settings with the epochs to use; print them with the reason, and log them.

    A decision that is started again keeps its epochs, so that it continues.
    """
    if settings.epochs == "auto":
        images = helper.preflight().context.data.split_sizes["train"]
        if epochs := earlier_epochs(pilot.running.study):
            print(f"epochs={epochs}, as an earlier start of this decision has chosen", flush=True)
        else:
            epochs = _epochs_by_pilot(settings.with_steps_for(images), helper, pilot)
        settings = settings.with_steps_for(images, epochs)
    pilot.running.study.run.log_params(
        {f"{CHOSEN}{name}": str(getattr(settings, name)) for name in ("epochs", "batch_size")}
    )
    return settings


def _epochs_by_pilot(settings: DecideSettings, helper: HelperWorker, pilot: PilotTrainings) -> int:
    """Return the epochs that suffice by a pilot, and print them."""
    example = next((one for one in settings.examples() if one.optimizer == PILOT_OPTIMIZER), settings.examples()[0])
    doublings = _affordable_doublings(settings, helper)
    found = run_pilot(example, settings.delta, doublings, pilot.train)
    steps = count_steps(helper.preflight().context.data.split_sizes["train"], example.batch_size, found.epochs)
    falls = "still falls" if found.still_falls else "falls no more"
    limited = found.still_falls and doublings < MAX_DOUBLINGS
    print(
        f"epochs={found.epochs}: {pluralize(steps, 'step')} per training; at its end, the validation loss of "
        f"{example.optimizer_label} at {format_setting(example.lr)} {falls}"
        + f"; minutes={format_setting(settings.minutes)} are too few for more epochs"
        * limited,
        flush=True,
    )
    return found.epochs


def _affordable_doublings(chosen: DecideSettings, helper: HelperWorker) -> int:
    """Return how often the pilot may double the epochs, so that the time suffices for it and for trainings after it.

    Raises:
        SettingsError: it does not suffice for one training of each optimizer after the shortest pilot.
    """
    if chosen.trainings != "auto":
        return MAX_DOUBLINGS
    preflight, optimizers = helper.preflight(), len(chosen.optimizers)
    concurrency = trainings_at_once(chosen, preflight, helper.cluster)
    epochs = int(chosen.epochs)
    shortest = epochs * preflight.epoch_seconds + preflight.fixed_seconds
    for doublings in range(MAX_DOUBLINGS, 0, -1):
        longer = chosen.model_copy(update={"epochs": 2**doublings * epochs})
        time_left = _time_left(longer, preflight, optimizers * FEW_TRAININGS, concurrency, 1 / chosen.splits)
        if time_left > (2 ** (doublings + 1) - 1) * shortest:
            return doublings
    if _time_left(chosen, preflight, optimizers, concurrency, 1 / chosen.splits) < shortest:
        raise SettingsError(_too_short(chosen, preflight, concurrency, shortest))
    return 0


def _chances(trainings: int, settings: DecideSettings) -> str:
    """Return a line on how likely so many trainings make the answer sure."""
    chance, delta = chance_of_sure_answer(trainings, settings.delta, len(settings.optimizers))
    return (
        f"budget: about {pluralize(trainings, 'training')}; of decisions replayed on other data with 95% confidence, "
        f"{chance:.0%} were sure to {format_share(delta)} by then"
    )


def _warn_of_few(planned: int, settings: DecideSettings, helper: HelperWorker, share: float) -> None:
    """Print a warning if the trainings planned for a split are few, with the budget that allows enough of them."""
    enough = len(settings.optimizers) * FEW_TRAININGS
    if planned >= enough:
        return
    if settings.trainings == "auto":
        preflight = helper.preflight()
        concurrency = trainings_at_once(settings, preflight, helper.cluster)
        missing = -_time_left(settings, preflight, enough, concurrency, share) / share
        budget = f"minutes={format_minutes(60 * settings.minutes + max(missing, 0))}"
    else:
        budget = f"trainings={enough * settings.splits}"
    trainings = f"{pluralize(FEW_TRAININGS, 'training')} of each optimizer"
    problem = f"fewer than {trainings} seldom show more than which cell is the best so far"
    print(f"warning: {problem}; {budget} would allow {enough}.", file=sys.stderr, flush=True)


def _budget(settings: DecideSettings, helper: HelperWorker, share: float) -> Budget:
    """Return the budget of a split, until `share` of the time is spent; of a number of trainings, an equal part.

    Raises:
        SettingsError: it is too small for a training of each optimizer.
    """
    if settings.trainings != "auto":
        return TrainingsBudget(settings.trainings // settings.splits)
    trainings, preflight = len(settings.optimizers), helper.preflight()
    concurrency = trainings_at_once(settings, preflight, helper.cluster)
    estimate = estimate_study(settings, preflight, trainings, concurrency)
    at_once = min(concurrency, trainings)
    left = _time_left(settings, preflight, 0, concurrency, share)
    if left < trainings * estimate.per_training:
        raise SettingsError(_too_short(settings, preflight, concurrency))
    return TimeBudget(settings.minutes, time.monotonic() + left, estimate.per_training * at_once, at_once)


def _time_left(
    settings: DecideSettings, preflight: PreflightResult, trainings: int, concurrency: int, share: float
) -> float:
    """Return the seconds left of a `share` of the time, besides those of `trainings`; below 0 if these take longer."""
    estimate = estimate_study(settings, preflight, max(trainings, 1), concurrency)
    total = 60 * settings.minutes * share
    reserve = RESERVE_SECONDS + RESERVE_SHARE * total
    return total - seconds_since_start() - estimate.end - reserve - trainings * estimate.per_training


def _too_short(settings: DecideSettings, preflight: PreflightResult, concurrency: int, pilot: float = 0.0) -> str:
    """Return the error about a time that is too short, with settings that would do.

    `pilot` are the seconds of a pilot before the trainings.
    """
    trainings = len(settings.optimizers)
    estimate = estimate_study(settings, preflight, trainings, concurrency)
    seconds = (estimate.total(trainings) + RESERVE_SECONDS + pilot) * settings.splits
    first, take = ("a pilot and ", "take") if pilot else ("", "takes")
    problem = (
        f"is too short for {first}a training of each of the {pluralize(trainings, 'optimizer')}, which {take} about "
        f"{seconds:.0f} seconds in all; use minutes={format_minutes(1.2 * seconds)}, fewer epochs than "
        f"{settings.epochs}, or fewer optimizers."
    )
    return setting_error("minutes", settings.minutes, problem)


def format_minutes(seconds: float) -> str:
    """Format seconds as minutes to type: two digits, rounded up: `0.81`, `7.1`, `120`."""
    minutes = seconds / 60
    step = 10.0 ** (math.floor(math.log10(minutes)) - 1)
    return f"{math.ceil(minutes / step) * step:.12g}"
