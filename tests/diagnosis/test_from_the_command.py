"""Causes from the commands that a user types to the tracking server."""

import csv
import io
import math
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

from lrstudy.server_names import WHY
from studies import curve, run_script, run_study, trainings

SMALL = ("--hidden", "16", "--epochs", "6")
CODE = """
import torch
from torch import nn

class Noisy(nn.Sequential):
    def forward(self, images):
        return super().forward(images + torch.randn_like(images))

def build(channels, side, classes):
    return Noisy(nn.Flatten(), nn.Linear(channels * side**2, classes))
"""


def causes(run: Run) -> set[str]:
    return {name for name in run.data.metrics if name.startswith(WHY)}


def artifact(run: Run, name: str) -> str:
    return Path(mlflow.MlflowClient().download_artifacts(run.info.run_id, name)).read_text(encoding="utf-8")


@pytest.mark.usefixtures("tracking_uri")
def test_a_training_with_diagnose_logs_its_causes_and_has_the_bits_of_one_without() -> None:
    for number, diagnose in enumerate(("false", "true")):
        # A tag of the experiment's own keeps the second from being the first one again.
        ended = run_script("train.py", *SMALL, "--optimizer", "sgd", "--lr", "0.001", "--diagnose", diagnose)
        assert ended.returncode == 0, ended.stderr
        assert len(trainings()) == number + 1
    plain, measured = trainings()
    assert plain.data.tags["lrstudy.key"] == measured.data.tags["lrstudy.key"]
    assert curve(plain, "val_loss") == curve(measured, "val_loss")
    assert artifact(plain, "history.csv").splitlines()[0] + ",why_lr_over_critical" in artifact(measured, "history.csv")
    assert causes(plain) == set()
    assert causes(measured) >= {f"why/{name}" for name in ("lr_over_critical", "lr_over_best_step", "update_ratio")}
    ratios = curve(measured, "why/lr_over_critical")
    assert set(ratios) == {1, 2, 6}
    assert all(0 < ratio < 0.01 for ratio in ratios.values())
    assert "each step went 1/" in measured.data.tags["mlflow.note.content"]
    assert "each step went 1/" in ended.stdout
    rows = list(csv.DictReader(io.StringIO(artifact(measured, "why_layers.csv"))))
    assert [row["layer"] for row in rows[:3]] == ["1", "3", "2"]
    assert {int(row["epoch"]) for row in rows} == set(curve(measured, "why/update_ratio"))
    of_epoch_2 = [float(row["update_ratio"]) for row in rows[3:5]]  # of the one step that was measured there
    assert math.isclose(sum(of_epoch_2) / 2, curve(measured, "why/update_ratio")[2], rel_tol=1e-9)
    assert 0 <= float(rows[2]["dead_units"]) <= 1


@pytest.mark.usefixtures("tracking_uri")
def test_a_grid_measures_the_first_seed_of_each_cell_and_reuses_runs_without_causes() -> None:
    grid = ("--optimizers", "sgd", "--lrs", "0.1,0.01", *SMALL)
    assert run_script("train.py", *SMALL, "--optimizer", "sgd", "--lr", "0.1").returncode == 0
    ended = run_study("grid", *grid, "--seeds", "2")
    assert ended.returncode == 0, ended.stderr
    found = {(run.data.params["lr"], run.data.params["seed"]): bool(causes(run)) for run in trainings()}
    assert found == {("0.1", "0"): False, ("0.1", "1"): False, ("0.01", "0"): True, ("0.01", "1"): False}
    assert run_study("grid", "--optimizers", "sgd", "--lrs", "0.02", *SMALL, "--diagnose", "false").returncode == 0
    (latest,) = [run for run in trainings() if run.data.params["lr"] == "0.02"]
    assert causes(latest) == set()


@pytest.mark.usefixtures("tracking_uri")
def test_a_network_that_is_random_in_evaluation_trains_without_causes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    ended = run_study("grid", "--optimizers", "sgd", "--lrs", "0.1,0.01", "--epochs", "2", "--model", "mine.py:build")
    assert ended.returncode == 0, ended.stderr
    sentence = "No causes of this verdict were measured: the network's outputs are random in evaluation."
    assert ended.stdout.count(sentence) == 1
    for run in trainings():
        assert run.info.status == "FINISHED"
        assert sentence in run.data.tags["mlflow.note.content"]
        assert causes(run) == set()
