"""An outbox of a test, calls for it, and what the server has of them."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from lrstudy.tracking.calls import (
    CreateModel,
    CreateRun,
    DeleteTag,
    EndModel,
    Log,
    LogFiles,
    LogInputs,
    LogModel,
    SetStatus,
    local_id,
)
from lrstudy.tracking.outbox import Outbox


@contextmanager
def sending_to(server: str, seconds: float = 30) -> Iterator[Outbox]:
    """Yield an outbox, and close it; unsent calls stay in its journal."""
    box = Outbox(MlflowClient(server), server)
    box.start()
    try:
        yield box
    finally:
        box.close(seconds)


def points(run_id: str, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in MlflowClient().get_metric_history(run_id, name)]


def loss(run_id: str, step: int, value: float = 1.0) -> Log:
    return Log(run_id, points=[("loss", value, 1_700_000_000_000 + step, step)])


def wait_until_offline(box: Outbox) -> None:
    deadline = time.monotonic() + 60
    while not box.offline:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def log_a_complete_run(box: Outbox, folder: Path) -> str:
    """Enqueue calls of every kind for a run and its model, with local ids; return the run's."""
    run, model, location = local_id(), local_id(), local_id()
    tags = {"kind": "test", "gone": "soon"}
    box.enqueue(CreateRun(run, os.environ["MLFLOW_EXPERIMENT_ID"], "by a journal", tags, time.time_ns() // 1_000_000))
    box.enqueue(Log(run, {"lr": "0.1"}, {"own": run}))
    box.enqueue(DeleteTag(run, "gone"))
    dataset = {"name": "digits", "digest": "1", "source_type": "code", "source": "{}", "schema": "{}", "profile": "{}"}
    box.enqueue(LogInputs(run, [(dataset, "train")]))
    for step in range(5):
        box.enqueue(loss(run, step, math.nan if step == 3 else step / 7))
    box.enqueue(LogFiles(run, str(folder_with_file(box, "notes.txt", f"of {run}"))))
    box.enqueue(CreateModel(run, model, location))
    box.enqueue(
        LogModel(model, str(folder_with_file(box, "MLmodel", f"model_id: {model}\nartifact_path: {location}\n")))
    )
    box.enqueue(EndModel(model, "READY"))
    box.enqueue(SetStatus(run, "FINISHED", 1_700_000_009_000))
    return run


def folder_with_file(box: Outbox, name: str, text: str) -> Path:
    folder = box.new_folder()
    (folder / name).write_text(text)
    return folder


def check_complete_run(folder: Path) -> None:
    """Check that the server has one run, and everything of it once."""
    (run,) = mlflow.search_runs([os.environ["MLFLOW_EXPERIMENT_ID"]], output_format="list")
    run_id = run.info.run_id
    assert (run.info.status, run.info.end_time, run.info.run_name) == ("FINISHED", 1_700_000_009_000, "by a journal")
    assert run.data.params == {"lr": "0.1"}
    assert (run.data.tags["own"], run.data.tags["kind"]) == (run_id, "test")
    assert "gone" not in run.data.tags
    told = [(step, None if math.isnan(value) else value) for step, value in points(run_id, "loss")]
    assert told == [(0, 0.0), (1, 1 / 7), (2, 2 / 7), (3, None), (4, 4 / 7)]
    assert run.data.metrics["loss"] == 4 / 7
    assert run.inputs is not None
    assert [(one.dataset.name, one.tags[0].value) for one in run.inputs.dataset_inputs] == [("digits", "train")]
    assert Path(MlflowClient().download_artifacts(run_id, "notes.txt", str(folder))).read_text() == f"of {run_id}"
    (model,) = mlflow.search_logged_models([run.info.experiment_id], output_format="list")
    assert (model.source_run_id, str(model.status), model.params) == (run_id, "READY", {"lr": "0.1"})
    assert run.outputs is not None
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    saved = mlflow.artifacts.download_artifacts(f"{model.artifact_location}/MLmodel", dst_path=str(folder))
    assert Path(saved).read_text() == f"model_id: {model.model_id}\nartifact_path: {model.artifact_location}\n"
