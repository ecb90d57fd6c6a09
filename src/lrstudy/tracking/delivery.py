"""How a call is made on the server, so that one whose answer was lost can be made again and changes nothing."""

from __future__ import annotations

import logging
import os
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
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

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
    Log,
    LogFiles,
    LogInputs,
    LogModel,
    RemoveCheckpoint,
    SetStatus,
    with_server_ids,
)
from lrstudy.tracking.failures import is_transient
from lrstudy.tracking.server_lock import server_lock

_NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
# Of a call; one that was not answered in time, such as of a large file, is given more the next time.
TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS = 10, 320
TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
QUIET = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"

Names = dict[str, str]


def disable_retries() -> None:
    """From now on has this process's MLflow make each call once, not wait for long, and leave what is said to us."""
    os.environ[RETRIES] = "0"
    os.environ[QUIET] = "true"
    os.environ.setdefault(TIMEOUT, str(TIMEOUT_SECONDS))
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def deliver(
    client: MlflowClient, calls: Sequence[Call], names: Mapping[str, str], refused: list[Exception], *, again: bool
) -> Names:
    """Makes `calls`, and gives the server's names for what they have made, by the local ones.

    Args:
        client: of the server.
        calls: to make; without any, to find out whether it can be used.
        names: the server's names for what was made before.
        refused: takes what MLflow raises for a call that the server refuses.
        again: whether they may have been made before, and the answer be lost.

    Raises:
        Exception: whatever MLflow raises since the server cannot be used now.
    """
    if not calls:
        client.search_experiments(max_results=1)
    made: Names = {}
    for call in calls:
        if isinstance(call, LogFiles | LogModel) and names:
            _rename_in_files(Path(call.folder), names)
        try:
            call = with_server_ids(call, names)
            made |= (_made_before(call, client) if again else None) or _make(call, client)
        except Exception as error:
            if is_transient(error):
                raise
            if isinstance(call, Log) and call.points and not call.has_only_points:  # one of the two may be right
                apart = Log(call.run, points=call.points), Log(call.run, call.params, call.tags)
                deliver(client, apart, {}, refused, again=again)
            else:
                refused.append(error)
    return made


def remove_sent_files(call: Call) -> None:
    """Removes the folder of a call that has been made."""
    if isinstance(call, LogFiles | LogModel):
        shutil.rmtree(call.folder, ignore_errors=True)


def _rename_in_files(folder: Path, names: Mapping[str, str]) -> None:
    for file in folder.rglob("*"):
        if file.is_file() and LOCAL.encode() in (content := file.read_bytes()):
            for local, name in names.items():
                content = content.replace(local.encode(), name.encode())
            file.write_bytes(content)


@singledispatch
def _made_before(_: Call, __: MlflowClient) -> Names | None:
    """What a call has made whose answer was lost; None where it has not been made, or does no harm twice."""
    return None


@_made_before.register
def _(call: CreateRun, client: MlflowClient) -> Names | None:
    return next(({call.run: run_id} for run_id in _made_by(call, client)), None)


def _made_by(call: CreateRun | DeleteDuplicateRuns, client: MlflowClient) -> Iterator[str]:
    """The runs that the tries to make one have made: its tags name the process."""
    for run in client.search_runs([call.experiment], f"attributes.start_time = {call.start}"):
        if call.tags.items() <= run.data.tags.items():
            yield run.info.run_id


@singledispatch
def _make(call: Call, _: MlflowClient) -> Names:
    raise TypeError(call)


@_make.register
def _(call: CreateRun, client: MlflowClient) -> Names:
    run = client.create_run(call.experiment, start_time=call.start, tags=dict(call.tags), run_name=call.name)
    return {call.run: run.info.run_id}


@_make.register
def _(call: DeleteDuplicateRuns, client: MlflowClient) -> Names:
    for run_id in _made_by(call, client):
        if run_id != call.run:
            client.set_terminated(run_id, "KILLED")
            client.delete_run(run_id)
    return {}


@_make.register
def _(call: CreateModel, client: MlflowClient) -> Names:
    run = client.get_run(call.run)
    model = _begun(client, run) or client.create_logged_model(
        run.info.experiment_id, "model", call.run, params=run.data.params
    )
    if all(output.model_id != model.model_id for output in (run.outputs.model_outputs if run.outputs else [])):
        client.log_outputs(call.run, [LoggedModelOutput(model.model_id, step=0)])
    return {call.model: model.model_id, call.location: model.artifact_location}


def _begun(client: MlflowClient, run: Run) -> LoggedModel | None:
    """The model that an earlier try, or a process that was killed, has begun for a run, or has made whole."""
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    return next((model for model in models if model.status != LoggedModelStatus.FAILED), None)


@_make.register
def _(call: Log, client: MlflowClient) -> Names:
    client.log_batch(
        call.run,
        # To MLflow's databases a point of the same name, time, step and value is the same.
        metrics=[Metric(*point) for point in call.points],
        params=[Param(name, value) for name, value in call.params.items()],
        tags=[RunTag(key, value) for key, value in call.tags.items()],
    )
    return {}


@_make.register
def _(call: DeleteTag, client: MlflowClient) -> Names:
    try:
        client.delete_tag(call.run, call.key)
    except MlflowException as error:
        if error.error_code != _NOT_THERE:
            raise
    return {}


@_make.register
def _(call: LogInputs, client: MlflowClient) -> Names:
    inputs = [DatasetInput(Dataset(**dataset), [InputTag(DATA_CONTEXT, context)]) for dataset, context in call.datasets]
    # For this call MLflow's server takes two connections to its database, one after the other. Fifteen calls at once
    # have all that it allows, and wait for the second until it gives up.
    with server_lock("inputs", client.tracking_uri):
        client.log_inputs(call.run, inputs)
    return {}


@_make.register
def _(call: LogFiles, client: MlflowClient) -> Names:
    if Path(call.folder).exists():  # it goes when it has been sent
        client.log_artifacts(call.run, call.folder)
        # MLflow keeps what it did this with for a thousand runs, which are megabytes in a long study.
        _artifact_repos_cache.pop(call.run, None)
    return {}


@_make.register
def _(call: SetStatus, client: MlflowClient) -> Names:
    if call.end is None:
        client.update_run(call.run, status=call.status)
    else:
        client.set_terminated(call.run, call.status, call.end)
    return {}


@_make.register
def _(call: LogModel, client: MlflowClient) -> Names:
    if Path(call.folder).exists():
        client.log_model_artifacts(call.model, call.folder)
    return {}


@_make.register
def _(call: EndModel, client: MlflowClient) -> Names:
    client.finalize_logged_model(call.model, LoggedModelStatus(call.status))
    return {}


@_make.register
def _(call: LinkCheckpoint, _: MlflowClient) -> Names:
    cache_paths.link_checkpoint(f"{LOCAL}{call.unsent}", call.run)
    return {}


@_make.register
def _(call: RemoveCheckpoint, _: MlflowClient) -> Names:
    cache_paths.remove_checkpoint(call.run)
    return {}
