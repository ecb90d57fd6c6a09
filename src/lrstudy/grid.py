"""A grid from its settings to its end: Optuna's grid sampler proposes, workers train, MLflow keeps."""

from __future__ import annotations

import tempfile
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Console

from lrstudy import experiment, runtime
from lrstudy.best import log_showpieces
from lrstudy.errors import LearningRateStudyError
from lrstudy.plan import Plan, load_data
from lrstudy.settings import TrainSettings, typed
from lrstudy.study import Done, run_trials
from lrstudy.study_display import StudyDisplay, best_of, table
from lrstudy.study_settings import GridSettings
from lrstudy.study_tracking import StudyRun, open_study
from lrstudy.workers import Workers, open_mailbox


def run_grid(settings: GridSettings) -> None:
    """Trains what is missing of the grid, and logs and prints what it came to.

    Raises:
        LearningRateStudyError: it cannot begin, or every trial has failed.
    """
    cells = settings.cells()
    data = load_data(cells[0])
    machine = runtime.prepare(settings.device, settings.threads, settings.model)
    plans = [Plan(cell, data, machine) for cell in cells]
    for plan in {plan.settings.hidden: plan for plan in plans}.values():
        experiment.build(plan)  # what cannot be trained is refused now
    at_a_time = _workers(settings, machine)
    proposed = _propose(settings)
    with open_study("grid", _name(settings, data.name), settings, data.digest) as study:
        manager, mailbox = open_mailbox()
        executor = Workers(at_a_time)
        try:
            with StudyDisplay(plans) as display:
                done = run_trials(plans, study, executor, at_a_time, mailbox, display)
        finally:
            executor.shutdown(cancel_futures=True)
            manager.shutdown()
        _log_end(settings, study, proposed, done)
        Console().print(table(done))


def _workers(settings: GridSettings, machine: runtime.Runtime) -> int:
    if settings.workers != "auto":
        return settings.workers
    on_cpu = max(1, runtime.usable_cores() // machine.threads)
    return min(on_cpu if machine.device.type == "cpu" else 1, len(settings.cells()))


def _name(settings: GridSettings, data: str) -> str:
    """What a person reads in a list of runs: `grid 4×3 digits`."""
    sizes = [len(settings.optimizers), len(settings.lrs), len(settings.hidden), settings.seeds]
    return f"grid {'×'.join(str(size) for size in sizes[:2] + [size for size in sizes[2:] if size > 1])} {data}"


def _parameters(cell: TrainSettings) -> dict[str, str | float | int]:
    """What tells a grid's trials apart, as Optuna names it."""
    return {"optimizer": cell.optimizer, "lr": cell.lr, "hidden": typed(cell.hidden), "seed": cell.seed}


def _propose(settings: GridSettings) -> tuple[optuna.Study, list[optuna.Trial]]:
    """Optuna's study of the grid, and its trials in the order of the grid's cells.

    Its sampler gives each cell once, in an order of its own; all are asked for, and then put into the grid's order.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    cells = [_parameters(cell) for cell in settings.cells()]
    axes = {name: list(dict.fromkeys(cell[name] for cell in cells)) for name in cells[0]}
    study = optuna.create_study(study_name="grid", sampler=optuna.samplers.GridSampler(axes, seed=0))
    asked = [study.ask() for _ in cells]
    for trial in asked:
        for name, values in axes.items():
            trial.suggest_categorical(name, values)
    return study, sorted(asked, key=lambda trial: cells.index(trial.params))


def _log_end(
    settings: GridSettings, study: StudyRun, proposed: tuple[optuna.Study, list[optuna.Trial]], done: list[Done]
) -> None:
    """Tells Optuna how the trials ended, and logs its study and the best trial."""
    optuna_study, trials = proposed
    for trial, one in zip(trials, done, strict=True):
        trial.set_user_attr("run_id", one.run_id)
        trial.set_user_attr("verdict", one.verdict)
        state = optuna.trial.TrialState.COMPLETE if one.verdict else optuna.trial.TrialState.FAIL
        # Not `tell`, with which the grid sampler stops a loop of Optuna's own that is not running here.
        optuna_study._storage.set_trial_state_values(trial._trial_id, state, [one.val_loss] if one.verdict else None)
    best = best_of(done)
    if best is None:
        raise LearningRateStudyError(f"every trial has failed, the first by {done[0].reason}.")
    _log_optuna(study, optuna_study)
    metrics = {"best/val_loss": best.val_loss, "best/val_accuracy": best.val_accuracy}
    study.run.writer.add(study.run.run_id, metrics, 0)
    for key, value in {"best_run": best.run_id, "verdict": best.verdict}.items():
        study.run.client.set_tag(study.run.run_id, f"lrstudy.{key}", value)
    for one in done if settings.models == "all" else [best]:
        if one.verdict:
            log_showpieces(study, one.plan, one.run_id)


def _log_optuna(study: StudyRun, optuna_study: optuna.Study) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "optuna_study.log")
        storage = JournalStorage(JournalFileBackend(str(file)))
        optuna.copy_study(
            from_study_name=optuna_study.study_name, from_storage=optuna_study._storage, to_storage=storage
        )
        study.run.client.log_artifact(study.run.run_id, str(file))
