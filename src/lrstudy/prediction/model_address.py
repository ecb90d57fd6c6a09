"""Find the run that trained a model, from the text that a user types: an address, a model's id, or a run's id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from lrstudy.errors import SettingsError
from lrstudy.formatting import setting_error
from lrstudy.redaction import redact_credentials
from lrstudy.server_names import KEY, KIND, PRUNED_KEY, TRAINING
from lrstudy.tracking.failures import is_transient
from lrstudy.tracking.recorded_training import NO_SUCH_RUN, best_of_study

MODEL_ID = re.compile(r"(?:models:/)?(m-[0-9a-f]{32})")
RUN_ID = re.compile(r"(?:runs:/)?([0-9a-f]{32})(?:/.*)?")
REGISTERED = re.compile(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+|latest))?")
FORMS = "models:/NAME@champion, models:/NAME/VERSION, the id of a model (m-…), or the id of a run"
NOT_FOUND = (*NO_SUCH_RUN, "NOT_FOUND")


@dataclass(frozen=True)
class ModelRun:
    """The run of a training, and the id of its logged model; None if a run was named."""

    run: Run
    model_id: str | None


def find_model(client: MlflowClient, address: str) -> ModelRun:
    """Return the run of the training that made a model.

    Args:
        client: of the server.
        address: as typed.

    Raises:
        SettingsError: the server does not have it, or it was not trained by this project.
    """
    if match := MODEL_ID.fullmatch(address):
        return _of_model(client, address, match[1])
    if match := RUN_ID.fullmatch(address):
        return ModelRun(_training(client, address, match[1]), None)
    if match := REGISTERED.fullmatch(address):
        return _of_version(client, address, match[1], match[2], match[3])
    raise SettingsError(setting_error("model", address, f"is not the address of a model; it must be {FORMS}."))


def _of_model(client: MlflowClient, address: str, model_id: str) -> ModelRun:
    with _missing(client, address, "no such model"):
        run_id = client.get_logged_model(model_id).source_run_id
    if not run_id:
        raise _foreign(address)
    return ModelRun(_training(client, address, run_id), model_id)


def _of_version(client: MlflowClient, address: str, name: str, alias: str | None, number: str | None) -> ModelRun:
    with _missing(client, address, "no such registered version"):
        if alias:
            found = [client.get_model_version_by_alias(name, alias)]
        elif number and number != "latest":
            found = [client.get_model_version(name, number)]
        else:
            newest = ["version_number DESC"]
            found = client.search_model_versions(f"name = '{name}'", max_results=1, order_by=newest)
    if not found:
        raise SettingsError(setting_error("model", address, "is not in the model registry."))
    version = found[0]
    if source := MODEL_ID.fullmatch(version.source or ""):
        return _of_model(client, address, source[1])
    if not version.run_id:
        raise _foreign(address)
    return ModelRun(_training(client, address, version.run_id), None)


def _training(client: MlflowClient, address: str, run_id: str) -> Run:
    """Return a run if it is a training of this project; of a study, the run of its best training."""
    with _missing(client, address, f"no run {run_id}"):
        run = best_of_study(client, client.get_run(run_id))
    if run is None:
        raise SettingsError(setting_error("model", address, "is the run of a study without a best training."))
    tags = run.data.tags
    if tags.get(KIND) != TRAINING:
        raise _foreign(address)
    if KEY not in tags or run.info.status != "FINISHED":
        state = "was stopped early" if PRUNED_KEY in tags else f"is {run.info.status}"
        raise SettingsError(
            setting_error("model", address, f": run {run.info.run_id} {state}; it has no trained network.")
        )
    return run


def _foreign(address: str) -> SettingsError:
    problem = "was not trained by this project, whose settings rebuild the network; mlflow.pyfunc.load_model loads it."
    return SettingsError(setting_error("model", address, problem))


@contextmanager
def _missing(client: MlflowClient, address: str, what: str) -> Iterator[None]:
    """Raise MLflow's error about something that the server does not have as one sentence."""
    try:
        yield
    except MlflowException as error:
        if is_transient(error) or error.error_code not in NOT_FOUND:
            raise
        server = redact_credentials(client.tracking_uri)
        raise SettingsError(setting_error("model", address, f": the tracking server {server} has {what}.")) from None
