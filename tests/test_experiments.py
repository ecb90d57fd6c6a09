"""Runs of a data set are in an experiment of their own, unless the user chooses another."""

import os
from pathlib import Path

import mlflow
import pytest

from lrstudy.tracking.experiment import describe_experiment
from lrstudy.tracking.experiment_name import CHOICES, choose_experiment, experiment_of
from studies import run_script

QUICK = ("--epochs", "1", "--hidden", "8")


@pytest.fixture
def free(tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the choice of the experiment to the command."""
    for name in CHOICES:
        monkeypatch.delenv(name, raising=False)


def test_the_name_is_that_of_the_data_set_or_the_last_of_the_folder(tmp_path: Path) -> None:
    assert experiment_of("digits") == "digits"
    assert experiment_of(f"{tmp_path}/flowers/") == "flowers"
    assert experiment_of(f"{tmp_path}/a\nb") == "a\\nb"
    assert experiment_of("/") == "Default"


@pytest.mark.parametrize("name", CHOICES)
def test_what_the_user_or_mlflow_run_has_chosen_is_kept(name: str, free: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "7")
    choose_experiment("digits")
    assert {one: os.environ[one] for one in CHOICES if one in os.environ} == {name: "7"}


def test_trainings_of_one_data_set_share_an_experiment_and_a_deleted_one_is_named(free: None) -> None:
    for seed in ("0", "1"):
        trained = run_script("train.py", *QUICK, "--seed", seed)
        assert trained.returncode == 0, trained.stderr
        assert "experiment: digits\n" in trained.stdout
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    names = {run.info.run_name for run in client.search_runs([experiment.experiment_id])}
    assert names == {"adam lr=0.001 seed=0", "adam lr=0.001 seed=1"}
    models = client.search_logged_models([experiment.experiment_id])
    assert {model.name for model in models} == {f"digits mlp adam lr=1e-3 seed={seed}" for seed in (0, 1)}
    client.delete_experiment(experiment.experiment_id)
    refused = run_script("train.py", *QUICK, "--seed", "2")
    assert refused.returncode == 2
    assert "the experiment 'digits' is deleted; restore it with `mlflow experiments restore" in refused.stderr


def test_the_default_experiment_comes_with_the_option_that_chooses_another(tracking_uri: str) -> None:
    client = mlflow.MlflowClient()
    own, default = os.environ["MLFLOW_EXPERIMENT_ID"], client.get_experiment_by_name("Default")
    assert default is not None
    assert describe_experiment(client, own, "digits") == "experiment: learning rates"
    assert "--experiment-name 'digits'" in describe_experiment(client, default.experiment_id, "digits")
