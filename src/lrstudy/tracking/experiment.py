"""The experiment that this process logs to, and the line that names it."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from lrstudy.compat.mlflow_internals import active_experiment_id
from lrstudy.errors import TrackingError
from lrstudy.formatting import printable, quote
from lrstudy.tracking.experiment_name import DEFAULT, NAME, experiment_of
from lrstudy.tracking.server import server_address
from lrstudy.tracking.server_lock import server_lock


def active_experiment(client: MlflowClient) -> Experiment:
    """Return the experiment that this process logs to; create it if it is new.

    Raises:
        TrackingError: it is deleted.
    """
    with server_lock("experiments", server_address()):
        try:
            experiment = client.get_experiment(active_experiment_id())
        except MlflowException as error:  # another machine has just created it
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            experiment = client.get_experiment(active_experiment_id())
    if experiment.lifecycle_stage != "active":
        identity = experiment.experiment_id
        raise TrackingError(
            f"the experiment {quote(experiment.name)} is deleted; restore it with `mlflow experiments restore "
            f"--experiment-id {identity}`, or name another one in {NAME}."
        )
    return experiment


def describe_experiment(client: MlflowClient, experiment_id: str, data: str) -> str:
    """Return a line on the experiment of a run, and for MLflow's default one how to choose that of the data."""
    name = client.get_experiment(experiment_id).name
    line = f"experiment: {printable(name)}"
    if name != DEFAULT:
        return line
    return f"{line}; `mlflow run --experiment-name {quote(experiment_of(data))}` keeps the runs of these data together"
