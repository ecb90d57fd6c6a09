"""The last lines of a training or a study: its model, registered if that is asked for, and commands that use it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

import mlflow
from mlflow.exceptions import MlflowException

from lrstudy.formatting import MLFLOW_RUN, setting_error
from lrstudy.redaction import redact_credentials
from lrstudy.schedules import SCHEDULES
from lrstudy.server_names import ANSWER, ANSWER_CONFIDENCE, CLASSES, DATA_DIGEST, REPORT
from lrstudy.settings import TrainSettings
from lrstudy.settings.registration import NO_NAME
from lrstudy.tracking.failures import failure_reason
from lrstudy.tracking.logged_model import model_id
from lrstudy.tracking.registry import champion_uri, register_champion
from lrstudy.tracking.server import truncate_tag
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.training.specification import DataSummary, TrialSpecification

# `mlflow ui` has 5000.
SERVING_PORT = 5001
# The server is given this time to take the model, whose id is printed then.
SECONDS_FOR_MODEL = 5.0
ONE_TRAINING = "a single training: it is compared with no other"


@dataclass(frozen=True)
class Winner:
    """The training whose model is to be used, and its run.

    `answer` is the result that led to it, in one line, and `confidence` says how sure that is.
    """

    specification: TrialSpecification
    run_id: str
    answer: str
    confidence: str = ONE_TRAINING

    @property
    def settings(self) -> TrainSettings:
        """The settings of the training."""
        return self.specification.settings

    @property
    def data(self) -> DataSummary:
        """The data of the training."""
        return self.specification.context.data


def print_next_steps(run: TrackedRun, winner: Winner, register: str) -> None:
    """Register the winner's model if `register` is a name; print its address and the commands that use it.

    Args:
        run: that of the study, or of the training itself.
        winner: the training.
        register: a name for the registered model, or `none`.
    """
    run.outbox.flush(SECONDS_FOR_MODEL)
    run_id = run.outbox.server_id(winner.run_id)
    model = run.outbox.query_or(lambda: model_id(run.client, run.client.get_run(run_id)), lambda: None)
    address = f"models:/{model}" if model else None
    lines = [f"model: {address}, of run {run_id}"] if model else []
    if register != NO_NAME and (version := _register(run, winner, register, model)):
        address = champion_uri(register)
        lines.append(f"registered: {address}, version {version}")
    for line in [*lines, *commands(address, run_id, winner.settings)]:
        print(line, flush=True)


def commands(model: str | None, run_id: str, settings: TrainSettings) -> list[str]:
    """Return the commands that predict with a model, serve it, and train it on, each after its name."""
    target = shlex.quote(model or run_id)
    lines = [f"predict: {MLFLOW_RUN} -e predict -P model={target} -P images=FOLDER"]
    if model:
        lines.append(f"serve: mlflow models serve --model-uri {target} --env-manager uv --port {SERVING_PORT}")
    if not SCHEDULES[settings.schedule].ends:
        lines.append(f"continue: {MLFLOW_RUN} -P continue_from={run_id} -P epochs={2 * settings.epochs}")
    return lines


def _register(run: TrackedRun, winner: Winner, name: str, model: str | None) -> str | None:
    """Return the version of the registered model; print the reason, and return None, if it cannot be registered."""
    server = redact_credentials(mlflow.get_tracking_uri())
    reason = f"the tracking server {server} does not have it yet; the same command registers it later"
    if model:
        is_study = winner.run_id != run.run_id
        report = _address(run, "report/index.html" if is_study else "")
        tags = {
            DATA_DIGEST: winner.data.digest,
            CLASSES: ", ".join(winner.data.classes),
            ANSWER: winner.answer,
            ANSWER_CONFIDENCE: winner.confidence,
            REPORT: report,
        }
        run_id = run.outbox.server_id(winner.run_id)
        try:
            return register_champion(
                run.client,
                name,
                model,
                run_id,
                {key: truncate_tag(value) for key, value in tags.items()},
                truncate_tag(_description(winner, f"{'report' if is_study else 'run'}: {report}")),
            )
        except MlflowException as error:
            reason = f"the model registry of {server} cannot be used ({failure_reason(error)})"
    problem = f": the model is not registered: {reason}. All else is complete."
    print(f"warning: {setting_error('register', name, problem)}", file=sys.stderr, flush=True)
    return None


def _description(winner: Winner, link: str) -> str:
    """Return the description of the registered version, in Markdown."""
    data = winner.data
    return f"**{winner.answer}.**\n\n- {winner.confidence}\n- trained on {data.name}, {data.class_list}\n- {link}"


def _address(run: TrackedRun, artifact: str) -> str:
    """Return the address of a run or of one of its artifacts, for a browser where the server has pages."""
    run_id, server = run.outbox.server_id(run.run_id), redact_credentials(mlflow.get_tracking_uri())
    if not server.startswith("http"):
        return f"runs:/{run_id}/{artifact}".rstrip("/")
    experiment = run.client.get_run(run_id).info.experiment_id
    page = f"{server.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"
    return f"{page}/artifacts/{artifact}" if artifact else page
