"""A training on the server that is trained on, in a new run, with the settings of the old one and more epochs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from lrstudy.errors import DataError, SettingsError
from lrstudy.formatting import format_setting, quote, setting_error
from lrstudy.schedules import SCHEDULES
from lrstudy.server_names import (
    BEST_EPOCH,
    CODE,
    CONTINUATION,
    CONTINUE_FROM,
    DATA_DIGEST,
    DESCRIPTION,
    KEY,
    KIND,
    OWNER,
    TRAINING,
    WEIGHTS_DIGEST,
)
from lrstudy.settings import TrainSettings
from lrstudy.tracking import owner, server
from lrstudy.tracking.checked_files import read_checked
from lrstudy.tracking.experiment_name import choose_experiment_of
from lrstudy.tracking.opened_run import VARIABLE, check_opened_run
from lrstudy.tracking.recorded_training import best_of_study, get_run, recorded_settings
from lrstudy.training import history
from lrstudy.training.result import HISTORY, LAST_STATE, WEIGHTS, Beginning
from lrstudy.training.specification import TrialSpecification

# Settings of the new run alone; and those that may differ, which are the old run's where they are at their defaults.
OWN = ("epochs", "continue_from", "register")
MAY_DIFFER = ("keep", "patience", "device", "threads", "data", "data_root")
EXAMPLE_FACTOR = 2


@dataclass(frozen=True)
class Continuation:
    """A training to train on: the settings of the new one, and the old run with the files that it has kept."""

    settings: TrainSettings
    run: Run
    beginning: Beginning

    def describe(self) -> str:
        """Return a line on where the training continues."""
        run_id, epoch = self.run.info.run_id, self.beginning.last_epoch
        if self.beginning.state is not None:
            return f"continuing run {run_id} after epoch {epoch}, its last, from its last state"
        return (
            f"continuing run {run_id} after epoch {epoch}, its best: it has kept these weights alone, so the optimizer "
            "starts anew (a training with keep=last keeps its last state)"
        )

    def check(self, specification: TrialSpecification) -> None:
        """Check that the images, and the user's own files, are those of the old run.

        Raises:
            DataError: the images differ.
            SettingsError: a file differs.
        """
        origin, digest = self.settings.continue_from, self.run.data.tags.get(DATA_DIGEST)
        if digest != specification.context.data.digest:
            problem = f": the images of data={quote(self.settings.data)} are not those that the run was trained on."
            raise DataError(setting_error("continue_from", origin, problem))
        recorded, ours = _code(self.run.data.params), _code(specification.params)
        if recorded != ours:
            names = " and ".join(sorted(name.removesuffix(CODE) for name in recorded.keys() | ours.keys()))
            problem = f": the files of {names} have changed since the run; its own are among its artifacts, in 'code'."
            raise SettingsError(setting_error("continue_from", origin, problem))


def read_continuation(settings: TrainSettings) -> Continuation:
    """Return the training that `settings.continue_from` names, with settings for the new run.

    The run that `mlflow run` has opened for this process has the defaults of all settings as its parameters, which
    are not those of the old run: it gets a description, and the training a run of its own.

    Raises:
        SettingsError: the run cannot be continued with these settings.
        TrackingError: the server cannot be reached, or rejects a call.
    """
    with server.connected_client() as client:
        run = _run(client, settings.continue_from)
        merged = _merge(settings, recorded_settings(run))
        beginning = _beginning(client, run, settings.continue_from)
        _check(settings, merged, beginning)
        _release_opened_run(client, settings, run)
        choose_experiment_of(run)
    return Continuation(merged, run, beginning)


def _run(client: MlflowClient, run_id: str) -> Run:
    run = best_of_study(client, get_run(client, "continue_from", run_id))
    if run is None or run.data.tags.get(KIND) != TRAINING or KEY not in run.data.tags:
        raise SettingsError(setting_error("continue_from", run_id, "is not a finished training of this project."))
    if run.info.status != "FINISHED":
        problem = f"is {run.info.status}; the command that started it resumes it."
        raise SettingsError(setting_error("continue_from", run_id, problem))
    return run


def _merge(typed: TrainSettings, recorded: TrainSettings) -> TrainSettings:
    """Return the old run's settings with those that the new one may change.

    Raises:
        SettingsError: another setting is typed that differs from the old run's.
    """
    changed = {name: getattr(typed, name) for name in OWN}
    for name, field in TrainSettings.model_fields.items():
        value, old = getattr(typed, name), getattr(recorded, name)
        if name in OWN or value in (field.default, old):
            continue
        if name not in MAY_DIFFER:
            problem = f"differs from {format_setting(old)}, which the run has and its continuation keeps; leave it out."
            raise SettingsError(setting_error(name, value, problem))
        changed[name] = value
    return TrainSettings(**dict(recorded) | changed)


def _check(typed: TrainSettings, merged: TrainSettings, beginning: Beginning) -> None:
    """Raise SettingsError if the training has an end of its own, has had as many epochs, or cannot improve."""
    last = beginning.history[-1]
    epochs = last.epoch
    if SCHEDULES[merged.schedule].ends:
        problem = (
            f": its learning rate ends with its last epoch (schedule={merged.schedule}), so there is nothing to "
            f"continue; train anew with epochs={max(merged.epochs, epochs + 1)}, or from its weights with "
            f"weights=FILE, its artifact {WEIGHTS}."
        )
        raise _error(typed, problem)
    if merged.epochs <= epochs:
        raise SettingsError(
            setting_error(
                "epochs",
                merged.epochs,
                f"is not more than the {epochs} of the run; use epochs={EXAMPLE_FACTOR * epochs}.",
            )
        )
    if last.diverged:
        raise _error(typed, "has diverged; train anew with a lower learning rate.")
    if merged.ema and beginning.state is None:
        raise _error(typed, "has kept no average of its weights (ema), which a training with keep=last keeps.")
    if merged.patience and beginning.state and epochs - beginning.best_epoch >= merged.patience:
        problem = (
            f"ended since {merged.patience} epochs did not improve it; use patience={EXAMPLE_FACTOR * merged.patience}."
        )
        raise _error(typed, problem)


def _beginning(client: MlflowClient, run: Run, origin: str) -> Beginning:
    def read(path: str) -> bytes:
        return read_checked(client, run, path, "continue_from", origin)

    has_state = LAST_STATE in {file.path for file in client.list_artifacts(run.info.run_id)}
    files = {"state": read(LAST_STATE), "weights": None} if has_state else {"state": None, "weights": read(WEIGHTS)}
    return Beginning(tuple(history.from_csv(read(HISTORY))), int(run.data.metrics[BEST_EPOCH]), **files)


def _release_opened_run(client: MlflowClient, settings: TrainSettings, run: Run) -> None:
    opened = check_opened_run(client, CONTINUATION, settings)
    if opened is None:
        return
    description = f"The training that continues run {run.info.run_id} has a run of its own, with that run's settings."
    tags = {KIND: CONTINUATION, CONTINUE_FROM: run.info.run_id, OWNER: owner.this_process(), DESCRIPTION: description}
    client.update_run(opened.info.run_id, name=f"continue {run.info.run_name}")
    client.log_batch(opened.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    del os.environ[VARIABLE]


def _code(params: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name.endswith(CODE) or name == WEIGHTS_DIGEST}


def _error(settings: TrainSettings, problem: str) -> SettingsError:
    return SettingsError(setting_error("continue_from", settings.continue_from, problem))
