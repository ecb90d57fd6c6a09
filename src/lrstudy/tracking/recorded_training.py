"""A training read from its run on the tracking server, to be trained again and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

from lrstudy.cli.command_line import from_parameters
from lrstudy.errors import SettingsError
from lrstudy.formatting import quote, setting_error
from lrstudy.redaction import redact_credentials
from lrstudy.server_names import (
    BEST_RUN,
    CODE,
    DATA_DIGEST,
    DECISION,
    DEVICE,
    HARDWARE,
    KEY,
    KIND,
    PRUNED_KEY,
    STUDY_KINDS,
    THREADS,
    TRAINING,
    VERSIONS,
    WEIGHTS_DIGEST,
)
from lrstudy.settings import TrainSettings
from lrstudy.tracking.stored_values import is_finite
from lrstudy.training.epoch import METRICS, REQUIRED_METRICS
from lrstudy.training.result import WEIGHTS
from lrstudy.unquoted_parameters import unquoted_parameters

NO_SUCH_RUN = (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), ErrorCode.Name(INVALID_PARAMETER_VALUE))


@dataclass(frozen=True)
class RecordedTraining:
    """A training on the server. `settings` have the device and the number of threads that it was trained with.

    `epochs` are the metrics of each epoch from 0 on; `complete` is whether all epochs are there. `scores` are the
    metrics that it has once. `assumed` are the settings that were not logged, and have their defaults. `code` are the
    digests of the user's own files, by setting, and that of pretrained weights.
    """

    run_id: str
    name: str
    settings: TrainSettings
    tags: Mapping[str, str]
    epochs: Sequence[Mapping[str, float]]
    complete: bool
    scores: Mapping[str, float]
    assumed: Sequence[str]
    code: Mapping[str, str]

    @property
    def data_digest(self) -> str | None:
        """The digest of the training's data."""
        return self.tags.get(DATA_DIGEST)

    @property
    def environment(self) -> str:
        """A phrase on the machine and the versions of the training."""
        machine, versions = (self.tags.get(tag, "something that was not recorded") for tag in (HARDWARE, VERSIONS))
        return f"on {machine} with {versions}"


def recorded_settings(run: Run) -> TrainSettings:
    """Return the settings of a run from its parameters.

    Raises:
        SettingsError: one is not valid in this version.
    """
    return from_parameters(TrainSettings, unquoted_parameters(run.data.params, run.data.tags))


def read_recorded_training(client: MlflowClient, run_id: str) -> RecordedTraining:
    """Return the training of a run.

    Raises:
        SettingsError: the run does not exist, or cannot be trained again.
    """
    run = _get_training(client, run_id)
    tags = run.data.tags
    try:
        machine = {"device": tags.get(DEVICE, ""), "threads": tags.get(THREADS, ""), "diagnose": "false"}
        settings = from_parameters(TrainSettings, unquoted_parameters(run.data.params, run.data.tags) | machine)
    except SettingsError as error:
        files = " (the files that they name are the run's artifacts in 'code')" if _code(run) else ""
        raise SettingsError(f"run_id={quote(run_id)}: its parameters{files} are not valid here: {error}") from None
    epochs = _read_epochs(client, run_id)[: settings.epochs + 1]  # another program logged what is beyond
    complete = bool(epochs) and (
        len(epochs) == settings.epochs + 1 or not _finite(epochs[-1]) or _ended_early(epochs, settings.patience)
    )
    was_cut_off = run.info.status == "KILLED" or PRUNED_KEY in tags
    if not complete and not (was_cut_off and epochs):
        advice = "" if run.info.status == "FINISHED" else "; run the same training again to resume it"
        raise SettingsError(
            f"run_id={quote(run_id)}: it is {run.info.status}, and the server has only the first "
            f"{max(0, len(epochs) - 1)} of its {settings.epochs} epochs{advice}."
        )
    assumed = [name for name in TrainSettings.model_fields if name not in {*run.data.params, "diagnose"}]
    return RecordedTraining(
        run_id, run.info.run_name or "", settings, tags, epochs, complete, run.data.metrics, assumed, _code(run)
    )


def _code(run: Run) -> dict[str, str]:
    params = run.data.params.items()
    return {name.removesuffix(CODE): value for name, value in params if name.endswith(CODE) or name == WEIGHTS_DIGEST}


def download_weights(client: MlflowClient, run_id: str) -> bytes | None:
    """Return the content of a run's weights file; None if it cannot be reached."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Path(client.download_artifacts(run_id, WEIGHTS, folder)).read_bytes()
        except Exception:  # each kind of artifact store has its own errors
            return None


def get_run(client: MlflowClient, setting: str, run_id: str) -> Run:
    """Return the run that a setting names.

    Raises:
        SettingsError: the server has no such run.
    """
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in NO_SUCH_RUN:
            raise
        problem = f": the tracking server {redact_credentials(client.tracking_uri)} has no such run."
        raise SettingsError(setting_error(setting, run_id, problem)) from None


def best_of_study(client: MlflowClient, run: Run) -> Run | None:
    """Return the run of a study's best training, None if it has none; the run itself if it is not a study's."""
    if run.data.tags.get(KIND) not in STUDY_KINDS:
        return run
    best = run.data.tags.get(BEST_RUN)
    return client.get_run(best) if best else None


def _get_training(client: MlflowClient, run_id: str) -> Run:
    run = get_run(client, "run_id", run_id)
    kind = run.data.tags.get(KIND)
    if kind in STUDY_KINDS:
        best, study = run.data.tags.get(BEST_RUN), "decision" if kind == DECISION else kind
        example = f", such as {best}, its best" if best else ""
        raise SettingsError(
            f"run_id={quote(run_id)}: this is the run of a {study}; give the run of one of its trainings{example}."
        )
    if not {KEY, PRUNED_KEY} & set(run.data.tags) or kind != TRAINING:
        raise SettingsError(f"run_id={quote(run_id)}: not a training run of this project.")
    return run


def _read_epochs(client: MlflowClient, run_id: str) -> list[dict[str, float]]:
    """Return the metrics of each epoch from 0 on, up to the first epoch that lacks one.

    Raises:
        SettingsError: a metric has two values at one epoch.
    """
    curves: dict[str, dict[int, float]] = {name: {} for name in METRICS}
    for name, curve in curves.items():
        for point in client.get_metric_history(run_id, name):
            if repr(curve.setdefault(point.step, point.value)) != repr(point.value):
                raise SettingsError(f"run_id={quote(run_id)}: its {name} has two values at epoch {point.step}.")
    curves = {name: curve for name, curve in curves.items() if curve or name in REQUIRED_METRICS}
    epochs: list[dict[str, float]] = []
    while all(len(epochs) in curve for curve in curves.values()):
        epochs.append({name: curve[len(epochs)] for name, curve in curves.items()})
    return epochs


def _finite(epoch: Mapping[str, float]) -> bool:
    return is_finite(epoch["train_loss"]) and is_finite(epoch["val_loss"])


def _ended_early(epochs: Sequence[Mapping[str, float]], patience: int) -> bool:
    """Return whether the validation loss did not improve for `patience` epochs; False for 0."""
    best = min(range(len(epochs)), key=lambda epoch: epochs[epoch]["val_loss"])
    return bool(patience) and len(epochs) - 1 - best >= patience
