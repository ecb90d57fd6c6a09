"""Send calls to the server, each so that it can be repeated when its answer was lost, and then changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModel,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException

from lrstudy import cache_paths
from lrstudy.server_names import DATA_CONTEXT
from lrstudy.tracking.calls import (
    LOCAL,
    Call,
    CreateModel,
    CreateRun,
    DeleteDuplicateRuns,
    DeleteTag,
    EndModel,
    LinkCheckpoint,
    LinkMetrics,
    Log,
    LogFiles,
    LogInputs,
    LogModel,
    RemoveCheckpoint,
    SetStatus,
    with_server_ids,
)
from lrstudy.tracking.failures import is_rejection
from lrstudy.tracking.files_error import files_error
from lrstudy.tracking.linked_metrics import linked_metrics
from lrstudy.tracking.server_lock import server_lock
from lrstudy.tracking.stored_files import check_stored, replace_ids_in_files

Ids = dict[str, str]


def deliver(
    client: MlflowClient,
    calls: Sequence[Call],
    server_ids: Mapping[str, str],
    rejections: list[Exception],
    *,
    is_retry: bool,
) -> Ids:
    """Send `calls`, and return the server's ids of what they created, by the local ones.

    Args:
        client: of the server.
        calls: to send; if empty, the server is only asked whether it answers.
        server_ids: of what earlier calls created, by the local ids.
        rejections: gets MLflow's errors for the calls that the server rejects.
        is_retry: whether they may have been carried out before, and the answer was lost.

    Raises:
        FilesError: the server answers, but the files of a call cannot be stored.
        Exception: MLflow's, if the server is unavailable.
    """
    if not calls:
        client.search_experiments(max_results=1)
    created: Ids = {}
    for call in calls:
        try:
            if isinstance(call, LogFiles | LogModel) and server_ids:
                replace_ids_in_files(Path(call.folder), server_ids)
            call = with_server_ids(call, server_ids)
            created |= (_find_created(call, client) if is_retry else None) or _send(call, client)
        except Exception as error:
            if isinstance(call, LogFiles | LogModel):
                raise files_error(client, call, error) from error
            if not is_rejection(error):
                raise
            if isinstance(call, Log) and call.points and not call.has_only_points:
                deliver(client, _parts(call), {}, rejections, is_retry=is_retry)
            else:
                rejections.append(error)
    return created


def _parts(call: Log) -> tuple[Log, Log]:
    """Return the points of a rejected call, and its parameters and tags: one of the two may be valid."""
    return Log(call.run, points=call.points), Log(call.run, call.params, call.tags)


def remove_sent_files(call: Call) -> None:
    """Remove the folder of a call that is sent, if it has one."""
    if isinstance(call, LogFiles | LogModel):
        shutil.rmtree(call.folder, ignore_errors=True)


@singledispatch
def _find_created(_: Call, __: MlflowClient) -> Ids | None:
    """Return the ids of what an earlier try of a call created; None if it created nothing, or may be repeated."""
    return None


@_find_created.register
def _(call: CreateRun, client: MlflowClient) -> Ids | None:
    return next(({call.run: run_id} for run_id in _created_runs(call, client)), None)


def _created_runs(call: CreateRun | DeleteDuplicateRuns, client: MlflowClient) -> Iterator[str]:
    """Yield the ids of the runs that all tries of a call created: their tags name the process."""
    for run in client.search_runs([call.experiment], f"attributes.start_time = {call.start}"):
        if call.tags.items() <= run.data.tags.items():
            yield run.info.run_id


@singledispatch
def _send(call: Call, _: MlflowClient) -> Ids:
    raise TypeError(call)


@_send.register
def _(call: CreateRun, client: MlflowClient) -> Ids:
    run = client.create_run(call.experiment, start_time=call.start, tags=dict(call.tags), run_name=call.name)
    return {call.run: run.info.run_id}


@_send.register
def _(call: DeleteDuplicateRuns, client: MlflowClient) -> Ids:
    for run_id in _created_runs(call, client):
        if run_id != call.run:
            client.set_terminated(run_id, "KILLED")
            client.delete_run(run_id)
    return {}


@_send.register
def _(call: CreateModel, client: MlflowClient) -> Ids:
    run = client.get_run(call.run)
    model = _existing_model(client, run) or client.create_logged_model(
        run.info.experiment_id, call.name, call.run, params=run.data.params
    )
    if not _is_output(model, run):
        try:
            client.log_outputs(call.run, [LoggedModelOutput(model.model_id, step=0)])
        except MlflowException:  # as where another study linked the model meanwhile
            if not _is_output(model, client.get_run(call.run)):
                raise
    return {call.model: model.model_id, call.location: model.artifact_location}


def _is_output(model: LoggedModel, run: Run) -> bool:
    return any(output.model_id == model.model_id for output in (run.outputs.model_outputs if run.outputs else []))


def _existing_model(client: MlflowClient, run: Run) -> LoggedModel | None:
    """Return the model that an earlier try, or a process that was interrupted, created for a run.

    A failed model is completed, so that the run has one model.
    """
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    return min(models, key=lambda model: model.status == LoggedModelStatus.FAILED, default=None)


@_send.register
def _(call: Log, client: MlflowClient) -> Ids:
    client.log_batch(
        call.run,
        # MLflow stores a point of the same name, time, step and value only once.
        metrics=[Metric(*point) for point in call.points],
        params=[Param(name, value) for name, value in call.params.items()],
        tags=[RunTag(key, value) for key, value in call.tags.items()],
    )
    return {}


@_send.register
def _(call: DeleteTag, client: MlflowClient) -> Ids:
    try:
        client.delete_tag(call.run, call.key)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return {}


@_send.register
def _(call: LogInputs, client: MlflowClient) -> Ids:
    inputs = [DatasetInput(Dataset(**dataset), [InputTag(DATA_CONTEXT, context)]) for dataset, context in call.datasets]
    # MLflow's server takes two database connections for this call, the second while it holds the first: fifteen calls
    # at once would hold all that it allows, and wait for the second until they time out.
    with server_lock("inputs", client.tracking_uri):
        client.log_inputs(call.run, inputs)
    return {}


@_send.register
def _(call: LogFiles | LogModel, client: MlflowClient) -> Ids:
    if Path(call.folder).exists():  # it is removed when it is sent
        if isinstance(call, LogFiles):
            client.log_artifacts(call.run, call.folder)
        else:
            client.log_model_artifacts(call.model, call.folder)
        check_stored(client, call)
    return {}


@_send.register
def _(call: SetStatus, client: MlflowClient) -> Ids:
    if call.end is None:
        client.update_run(call.run, status=call.status)
    else:
        client.set_terminated(call.run, call.status, call.end)
    return {}


@_send.register
def _(call: LinkMetrics, client: MlflowClient) -> Ids:
    client.log_batch(call.run, metrics=linked_metrics(client, call))
    return {}


@_send.register
def _(call: EndModel, client: MlflowClient) -> Ids:
    client.finalize_logged_model(call.model, LoggedModelStatus(call.status))
    return {}


@_send.register
def _(call: LinkCheckpoint, _: MlflowClient) -> Ids:
    cache_paths.link_checkpoint(f"{LOCAL}{call.unsent}", call.run)
    return {}


@_send.register
def _(call: RemoveCheckpoint, _: MlflowClient) -> Ids:
    cache_paths.remove_checkpoint(call.run)
    return {}
