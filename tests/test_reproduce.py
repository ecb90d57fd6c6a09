"""A run on the server, trained again from its logged data alone, and compared."""

import math
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
import torch
from mlflow.entities import Run

from conftest import mlflow_run
from lrstudy.errors import SettingsError
from lrstudy.formatting import format_setting
from lrstudy.study.commands import run_reproduce
from lrstudy.tracking.stored_values import is_stored
from studies import reference_run, runs, trainings

Train = Callable[..., Run]
# Where the database has the folders of a run's artifacts.
ARTIFACT_PLACES = (("runs", "artifact_uri"), ("experiments", "artifact_location"))


def reproduce(run_id: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code and the output."""
    capsys.readouterr()
    code = 0
    try:
        run_reproduce(["--run-id", run_id])
    except SystemExit as end:
        code = int(end.code or 0)
    return code, capsys.readouterr().out


@pytest.fixture
def trained(tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Return a function that copies a training into a database of the test's own; it is trained once per pytest run."""

    def copy(*settings: str) -> Run:
        reference, original = reference_run("--epochs", "3", "--hidden", "16", *settings)
        folder = Path(reference.tracking_uri.removeprefix("sqlite:///")).parent
        shutil.copytree(folder, tmp_path / "copy")
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'copy' / 'mlflow.db'}")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.get_tracking_uri())
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", original.info.experiment_id)
        for table, column in ARTIFACT_PLACES:
            places = str(folder), str(tmp_path / "copy"), str(folder)
            change(f"update {table} set {column} = replace({column}, ?, ?) where instr({column}, ?)", *places)
        return mlflow.get_run(original.info.run_id)

    return copy


def change(statement: str, *values: object) -> None:
    """Change the tracking database behind MLflow's back."""
    with closing(sqlite3.connect(mlflow.get_tracking_uri().removeprefix("sqlite:///"))) as database:
        assert database.execute(statement, values).rowcount == 1
        database.commit()


class TestReproduction:
    def test_an_undisturbed_run_is_identical_and_nothing_is_logged(
        self, trained: Train, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # A number of 17 digits, two threads, and more that is not as the defaults are.
        run = trained("--lr", "0.012345678901234567", "--threads", "2", "--optimizer", "sgd", "--momentum", "0.9")
        code, output = reproduce(run.info.run_id, capsys)
        assert output.splitlines()[-1] == (
            "identical: the losses and accuracies from epoch 0 to 3 are the same bits; the best weights: the same bits."
        )
        assert code == 0
        assert "gives other numbers" not in output, (
            "the settings that were read are those that were logged, to the last bit"
        )
        for part in ("threads: 2, as recorded", "versions: as recorded", f"{run.data.tags['lrstudy.data_digest']}, as"):
            assert part in output
        assert len(runs()) == 1

    def test_the_first_and_the_largest_difference_are_reported(
        self, trained: Train, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = trained()
        of_metric = "where run_uuid = ? and key = ? and step = ?"
        change(f"update metrics set value = value + 0.25 {of_metric}", run.info.run_id, "val_loss", 3)
        value = mlflow.MlflowClient().get_metric_history(run.info.run_id, "train_loss")[2].value
        changed = math.nextafter(value, math.inf)
        change(f"update metrics set value = ? {of_metric}", changed, run.info.run_id, "train_loss", 2)
        code, output = reproduce(run.info.run_id, capsys)
        first, largest, weights = output.splitlines()[-1].split("; ")
        difference = f"was {changed!r} and is {value!r}, {changed - value:.2g} apart"
        assert first == f"different from epoch 2 on: train_loss at epoch 2 {difference}"
        assert largest.startswith("the largest difference: val_loss at epoch 3 was")
        assert largest.endswith("0.25 apart")
        assert weights == "the best weights: the same bits."
        assert code == 1

    def test_different_final_scores_are_reported(self, trained: Train, capsys: pytest.CaptureFixture[str]) -> None:
        run = trained()
        accuracy = run.data.metrics["test/accuracy"]
        mlflow.MlflowClient().log_metric(run.info.run_id, "test/accuracy", 0.999, step=1)
        code, output = reproduce(run.info.run_id, capsys)
        assert output.splitlines()[-1].startswith("different: the losses and accuracies from epoch 0 to 3 are the same")
        assert f"; test/accuracy was 0.999 and is {accuracy!r}; the best weights: the same bits." in output
        assert code == 1

    def test_unrecorded_settings_are_reported_and_epochs_beyond_the_end_are_ignored(
        self, trained: Train, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = trained()
        change("delete from params where run_uuid = ? and key = 'lr'", run.info.run_id)
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
            mlflow.MlflowClient().log_metric(run.info.run_id, name, 0.5, step=4)
        code, output = reproduce(run.info.run_id, capsys)
        assert "  settings that were not recorded, assumed to have their defaults: lr 0.001\n" in output
        assert "identical: the losses and accuracies from epoch 0 to 3 are the same bits" in output
        assert code == 0

    def test_a_device_that_this_machine_lacks_is_rejected_with_the_recorded_machine(
        self, trained: Train, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = trained()
        client = mlflow.MlflowClient()
        client.set_tag(run.info.run_id, "lrstudy.device", "cuda:7")
        client.set_tag(run.info.run_id, "lrstudy.hardware", "an abacus")
        with pytest.raises(
            SettingsError, match=r"it was trained on an abacus with python 3.*, and here device='cuda:7' is not "
        ):
            reproduce(run.info.run_id, capsys)

    def test_different_damaged_and_missing_weights_are_reported(
        self, trained: Train, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = trained()
        path = Path(run.info.artifact_uri.removeprefix("file://"), "weights.pt")
        weights = torch.load(path)
        weights["1.weight"][0, 0] += 1e-6
        torch.save(weights, path)
        code, output = reproduce(run.info.run_id, capsys)
        assert output.splitlines()[-1].startswith("different: the losses and accuracies from epoch 0 to 3 are the same")
        assert output.endswith("the best weights: different.\n")
        assert code == 1
        path.write_bytes(b"text")
        assert reproduce(run.info.run_id, capsys)[0] == 1
        path.unlink()
        code, output = reproduce(run.info.run_id, capsys)
        assert output.endswith("the best weights: not compared, since they cannot be reached.\n")
        assert code == 0

    def test_nothing_is_trained_on_different_data(self, trained: Train, capsys: pytest.CaptureFixture[str]) -> None:
        run = trained()
        mlflow.MlflowClient().set_tag(run.info.run_id, "lrstudy.data_digest", "another")
        mlflow.MlflowClient().delete_tag(run.info.run_id, "lrstudy.preprocessing")
        capsys.readouterr()
        with pytest.raises(SystemExit, match="1"):
            run_reproduce(["--run-id", run.info.run_id])
        printed = capsys.readouterr()
        assert f"data: another there, {run.data.tags['lrstudy.data_digest']} here" in printed.out
        assert "preprocessing: the run's images were read by another version of this project" in printed.out
        assert printed.out.endswith("different: the data has changed since the run, so nothing is trained.\n")
        assert printed.err == ""

    def test_differences_of_the_machine_and_the_code_are_reported_before_training(
        self, trained: Train, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = trained("--threads", "2")
        change(  # which is what `auto` was there
            "update params set value = 'auto' where run_uuid = ? and key = 'threads'", run.info.run_id
        )
        client = mlflow.MlflowClient()
        client.set_tag(run.info.run_id, "lrstudy.versions", run.data.tags["lrstudy.versions"].replace("2.15", "2.14"))
        client.set_tag(run.info.run_id, "lrstudy.hardware", "an abacus")
        client.set_tag(run.info.run_id, "mlflow.source.git.commit", "0" * 40)
        client.set_tag(run.info.run_id, "lrstudy.key", "of other code")
        code, output = reproduce(run.info.run_id, capsys)
        *before, last = output.splitlines()
        for part in (
            "versions: torch 2.14.0 there, 2.15.0 here",
            "machine: an abacus there, ",
            "threads: 2, as recorded",
            "code: 000000000000 there, ",
            "the training's code, or one of torch's defaults, has changed since the run and gives other numbers",
        ):
            assert any(part in line for line in before), output
        assert last.startswith("identical:")
        assert code == 0

    def test_a_diverged_training_is_identical_where_both_losses_are_nan(
        self, trained: Train, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = trained("--optimizer", "sgd", "--lr", "1e20")
        assert run.data.tags["lrstudy.verdict"] == "diverged"
        assert reproduce(run.info.run_id, capsys)[0] == 0

    def test_the_epochs_of_a_training_that_was_cut_off_are_compared(
        self, trained: Train, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = trained()
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
            change(
                "delete from metrics where run_uuid = ? and key = ? and step = 3",
                run.info.run_id,
                name,
            )
        client = mlflow.MlflowClient()
        for status in ("RUNNING", "FAILED", "FINISHED"):
            client.update_run(run.info.run_id, status=status)
            with pytest.raises(
                SettingsError, match=f"it is {status}, and the server has only the first 2 of its 3 epochs[;.]"
            ):
                reproduce(run.info.run_id, capsys)
        client.update_run(run.info.run_id, status="KILLED")
        code, output = reproduce(run.info.run_id, capsys)
        assert "cut off after 2 of 3 epochs: only these are compared" in output
        assert "identical: the losses and accuracies from epoch 0 to 2 are the same bits" in output
        assert code == 0


def test_runs_that_are_not_trainings_are_rejected(tracking_uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    client = mlflow.MlflowClient()

    def another(**tags: str) -> str:
        changed = {f"lrstudy.{name}": value for name, value in tags.items()}
        return str(client.create_run(os.environ["MLFLOW_EXPERIMENT_ID"], tags=changed).info.run_id)

    rejected = {
        "0" * 32: "the tracking server sqlite.* has no such run",
        "no id": "the tracking server sqlite.* has no such run",
        another(): "not a training run of this project",
        another(kind="reproduce"): "not a training run of this project",
        another(
            kind="grid", best_run="abc"
        ): "the run of a grid; give the run of one of its trainings, such as abc, its",
        another(kind="decide", best_run="abc"): "the run of a decision; give the run of one of its trainings, such",
        another(kind="search"): "the run of a search; give the run of one of its trainings[.]",
    }
    of_training = {"kind": "train", "key": "abc"}
    rejected[another(**of_training)] = "its parameters are not valid here: device='' must be 'auto'"
    rejected[another(**of_training, device="cpu", threads="1")] = "the server has only the first 0 of its 50 epochs"
    gone = another(**of_training, device="cpu", threads="1")
    client.log_param(gone, "model", "gone.py:build")
    client.log_param(gone, "model.code", "0" * 64)
    rejected[gone] = r"\(the files that they name are the run's artifacts in 'code'\) are not valid here: .*no file"
    for run_id, sentence in rejected.items():
        with pytest.raises(SettingsError, match=f"run_id='{run_id}': .*{sentence}"):
            reproduce(run_id, capsys)


@pytest.mark.slow
def test_the_run_opened_by_mlflow_run_has_the_outcome(trained: Train) -> None:
    trial = trained("--optimizer", "sgd", "--lr", "0.1")
    client = mlflow.MlflowClient()
    client.set_tag(trial.info.run_id, "mlflow.parentRunId", "a study's")
    client.log_metric(trial.info.run_id, "val_loss", 1.0, step=4)  # beyond its end, of another program
    ended = mlflow_run("reproduce", run_id=trial.info.run_id)
    assert ended.returncode == 0, ended.stderr
    assert "\nidentical: the losses and accuracies from epoch 0 to 3 are the same bits" in ended.stdout
    assert len(trainings()) == 1
    (repeated,) = [run for run in runs() if run.data.tags.get("lrstudy.kind") == "reproduce"]
    assert repeated.info.status == "FINISHED"
    assert repeated.info.run_name == "reproduce sgd lr=0.1 seed=0"
    assert repeated.data.tags["lrstudy.reproduces"] == trial.info.run_id
    assert repeated.data.tags["lrstudy.reproduction"] == "identical"
    assert not repeated.data.metrics


@pytest.mark.parametrize(
    ("value", "stored", "same"),
    [
        (0.1, 0.1, True),
        (0.1, 0.1 + 2e-17, False),
        (math.nan, math.nan, True),
        (math.inf, sys.float_info.max, True),
        (-math.inf, -sys.float_info.max, True),
        (math.inf, -sys.float_info.max, False),
        (math.nan, 0.0, False),
        (0.0, math.nan, False),
        (1.0, None, False),
    ],
)
def test_numbers_are_compared_as_the_server_stores_them(value: float, stored: float | None, same: bool) -> None:
    assert is_stored(value, stored) is same


@pytest.mark.parametrize("value", [0.1, 1e-05, 0.012345678901234567, 1 / 3, 1e30, 5e-324, 0.0])
def test_a_logged_number_is_read_back_with_all_its_bits(value: float) -> None:
    assert float(format_setting(value)) == value
