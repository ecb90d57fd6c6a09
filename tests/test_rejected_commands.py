"""Commands that are rejected before any work, and the run that `mlflow run` opened for them."""

import os
from pathlib import Path

import mlflow
import pytest

from conftest import Command
from lrstudy.tracking.opened_run import mark_failed
from preloaded_process import run_preloaded


def test_too_little_memory_is_one_sentence() -> None:
    code = "import torch; from lrstudy.cli.entry_point import run_main; run_main(lambda _: torch.empty(10**15))"
    ended = run_preloaded(["-c", code])
    assert ended.returncode == 2
    assert ended.stderr == "error: there is too little memory; a smaller batch_size, image_size or network would do.\n"


def test_no_folder_for_temporary_files_is_one_sentence() -> None:
    code = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/dev/null/folder']\n"
    code += "from lrstudy.cli.entry_point import run_main; run_main(lambda _: tempfile.gettempdir())"
    ended = run_preloaded(["-c", code])
    assert ended.returncode == 2
    assert ended.stderr == "error: no folder for temporary files can be written to; TMPDIR may name one.\n"


def test_a_rejected_command_exits_with_2_and_no_stack_trace(train: Command) -> None:
    ended = train("--lr", "abc")
    assert ended.returncode == 2
    assert ended.stderr == "error: lr='abc' must be a finite number greater than 0 and at most 1e+30.\n"
    assert ended.stdout == ""


def test_a_device_that_is_not_there_is_rejected_before_any_work(train: Command, tmp_path: Path) -> None:
    ended = train("--device", "cuda:99", "--data", "mnist", "--data-root", "no such folder")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: device='cuda:99' is not a device of this machine; torch finds ")
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.usefixtures("tracking_uri")
@pytest.mark.parametrize(
    ("entry_point", "params", "name"),
    [
        ("main", {"optimizer": "adam", "lr": "abc", "epochs": "50", "momentum": "0"}, "train lr=abc"),
        ("grid", {"lrs": "'0.1;0.01'", "seeds": "1", "extend": "false"}, "grid lrs=0.1;0.01"),
        ("search", {"low": "1e-05", "learning_rate": "'a b'"}, "search learning_rate=a b"),
        ("main", {"data": "/" + "x" * 200}, "train data=/" + "x" * 88),
    ],
)
def test_a_rejected_run_is_named_after_what_was_asked_for(entry_point: str, params: dict[str, str], name: str) -> None:
    client = mlflow.MlflowClient()
    run = client.create_run(os.environ["MLFLOW_EXPERIMENT_ID"], tags={"mlflow.project.entryPoint": entry_point})
    client.log_batch(run.info.run_id, params=[mlflow.entities.Param(*item) for item in params.items()])
    mark_failed(run.info.run_id, "a sentence.")
    rejected = client.get_run(run.info.run_id)
    assert (rejected.info.run_name, rejected.info.status) == (name, "FAILED")
    assert rejected.data.tags["mlflow.note.content"] == "a sentence."


@pytest.mark.usefixtures("tracking_uri")
def test_a_run_that_has_ended_or_that_the_user_named_keeps_its_name() -> None:
    client = mlflow.MlflowClient()
    named = client.create_run(os.environ["MLFLOW_EXPERIMENT_ID"], run_name="my run")
    mark_failed(named.info.run_id, "a sentence.")
    assert client.get_run(named.info.run_id).info.run_name == "my run"
    ended = client.create_run(os.environ["MLFLOW_EXPERIMENT_ID"])
    client.set_terminated(ended.info.run_id, "FINISHED")
    mark_failed(ended.info.run_id, "a sentence.")
    assert client.get_run(ended.info.run_id).info.status == "FINISHED"


@pytest.mark.usefixtures("tracking_uri")
def test_the_run_that_mlflow_opened_ends_as_failed_with_the_sentence_in_its_description(train: Command) -> None:
    with mlflow.start_run() as run:
        pass
    mlflow.MlflowClient().set_terminated(run.info.run_id, "RUNNING")
    train("--optimizer", "adm", MLFLOW_RUN_ID=run.info.run_id)
    ended = mlflow.get_run(run.info.run_id)
    assert ended.info.status == "FAILED"
    assert "did you mean 'adam'" in ended.data.tags["mlflow.note.content"]
