"""A training as a run on the tracking server has it: what to train again, and what to compare with."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

from lrstudy.command_line import from_parameters
from lrstudy.errors import SettingsError
from lrstudy.redaction import redact_credentials
from lrstudy.server_names import (
    BEST_RUN,
    CURVES,
    DATA_DIGEST,
    DEVICE,
    ENTRY_POINT,
    HARDWARE,
    KEY,
    KIND,
    PRUNED_KEY,
    THREADS,
    VERSIONS,
)
from lrstudy.settings import TrainSettings
from lrstudy.tracking.stored_values import is_finite
from lrstudy.training.result import WEIGHTS

NO_SUCH_RUN = (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), ErrorCode.Name(INVALID_PARAMETER_VALUE))


@dataclass(frozen=True)
class RecordedTraining:
    """A training on the server. `settings` have the device and the number of threads that it was trained with.

    `epochs` are from 0 on, each with its four numbers by their names; `whole` is whether none lacks. `scores` are the
    metrics that it has once. `assumed` are the settings that were not logged, and have their defaults.
    """

    run_id: str
    name: str
    settings: TrainSettings
    tags: Mapping[str, str]
    epochs: Sequence[Mapping[str, float]]
    whole: bool
    scores: Mapping[str, float]
    assumed: Sequence[str]

    @property
    def data_digest(self) -> str | None:
        """The digest of the data that it was trained on."""
        return self.tags.get(DATA_DIGEST)

    @property
    def where(self) -> str:
        """The machine and the versions that it was trained with, in words."""
        machine, versions = (self.tags.get(tag, "what was not recorded") for tag in (HARDWARE, VERSIONS))
        return f"on {machine} with {versions}"


def recorded_settings(run: Run) -> TrainSettings:
    """The settings that a run's parameters are of.

    Raises:
        SettingsError: one is none of this version's.
    """
    return from_parameters(TrainSettings, _typed(run))


def read_recorded_training(client: MlflowClient, run_id: str) -> RecordedTraining:
    """The training of a run.

    Raises:
        SettingsError: there is no such run, or none that can be trained again.
    """
    run = _training(client, run_id)
    tags = run.data.tags
    try:
        where = {"device": tags.get(DEVICE, ""), "threads": tags.get(THREADS, "")}
        settings = from_parameters(TrainSettings, _typed(run) | where)
    except SettingsError as error:
        raise SettingsError(f"run_id={run_id}: its parameters are none of this version's: {error}") from None
    epochs = _epochs(client, run_id)[: settings.epochs + 1]  # what is beyond is of another program
    whole = bool(epochs) and (len(epochs) == settings.epochs + 1 or not _finite(epochs[-1]))
    cut_off = run.info.status == "KILLED" or PRUNED_KEY in tags
    if not whole and not (cut_off and epochs):
        goes_on = "" if run.info.status == "FINISHED" else "; start the same training again, and it goes on"
        raise SettingsError(
            f"run_id={run_id}: it is {run.info.status}, and of its {settings.epochs} epochs the server has no more "
            f"than the first {max(0, len(epochs) - 1)}{goes_on}."
        )
    assumed = [name for name in TrainSettings.model_fields if name not in run.data.params]
    return RecordedTraining(run_id, run.info.run_name or "", settings, tags, epochs, whole, run.data.metrics, assumed)


def download_weights(client: MlflowClient, run_id: str) -> bytes | None:
    """The file of a run's weights; None where it cannot be reached from here."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Path(client.download_artifacts(run_id, WEIGHTS, folder)).read_bytes()
        except Exception:  # each kind of store has its own
            return None


def _training(client: MlflowClient, run_id: str) -> Run:
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in NO_SUCH_RUN:
            raise
        raise SettingsError(
            f"run_id={run_id}: the tracking server {redact_credentials(client.tracking_uri)} has no such run."
        ) from None
    kind = run.data.tags.get(KIND)
    if kind in ("grid", "search"):
        best = run.data.tags.get(BEST_RUN)
        such_as = f", such as {best}, its best" if best else ""
        raise SettingsError(
            f"run_id={run_id}: this is the run of a {kind}; give that of one of its trainings{such_as}."
        )
    if not {KEY, PRUNED_KEY} & set(run.data.tags) or kind != "train":
        raise SettingsError(f"run_id={run_id}: this is no run of a training of this project.")
    return run


def _epochs(client: MlflowClient, run_id: str) -> list[dict[str, float]]:
    """The epochs from 0 on, as far as all four numbers of each are there.

    Raises:
        SettingsError: a number is there with two values.
    """
    curves: dict[str, dict[int, float]] = {name: {} for name in CURVES}
    for name, curve in curves.items():
        for point in client.get_metric_history(run_id, name):
            if repr(curve.setdefault(point.step, point.value)) != repr(point.value):
                raise SettingsError(f"run_id={run_id}: its {name} has two values at epoch {point.step}.")
    epochs: list[dict[str, float]] = []
    while all(len(epochs) in curve for curve in curves.values()):
        epochs.append({name: curve[len(epochs)] for name, curve in curves.items()})
    return epochs


def _finite(epoch: Mapping[str, float]) -> bool:
    return is_finite(epoch["train_loss"]) and is_finite(epoch["val_loss"])


def _typed(run: Run) -> dict[str, str]:
    """A run's parameters as they were typed."""
    # MLflow's projects log a parameter as the shell takes it: `'my images'`.
    quoted = ENTRY_POINT in run.data.tags
    return {name: _unquoted(value) if quoted else value for name, value in run.data.params.items()}


def _unquoted(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        return text
    return words[0] if len(words) == 1 and shlex.quote(words[0]) == text else text
