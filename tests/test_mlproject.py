"""`MLproject` and `conda.yaml` against the settings that they must agree with."""

import shlex

import pytest
import yaml
from mlflow.projects.utils import load_project

from conftest import ROOT
from lrstudy.command_line import parse
from lrstudy.settings import TrainSettings, typed

PROJECT = load_project(ROOT)  # type: ignore[no-untyped-call]
OTHER = {
    "data": "mnist",
    "data_root": "/data",
    "image_size": "32",
    "fit": "crop",
    "bad_images": "skip",
    "split_seed": "1",
    "model": "cnn",
    "hidden": "8,4",
    "optimizer": "sgd",
    "lr": "0.5",
    "momentum": "0.9",
    "weight_decay": "0.1",
    "epochs": "3",
    "batch_size": "7",
    "seed": "2",
    "device": "cpu",
    "threads": "2",
}
BESIDES = {"momentum": {"optimizer": "sgd"}}  # what a parameter needs to be set at all


def settings_of(parameters: dict[str, str]) -> TrainSettings:
    """The settings that the script gets from the command which MLflow would run."""
    command = PROJECT.get_entry_point("main").compute_command(parameters, storage_dir=None)
    python, script, *arguments = shlex.split(command)
    assert (python, script) == ("python", "src/train.py")
    return parse(TrainSettings, arguments)


def test_mlproject_declares_the_parameters_of_a_training_in_their_order() -> None:
    assert list(PROJECT.get_entry_point("main").parameters) == list(TrainSettings.model_fields)


def test_a_training_by_mlproject_has_the_default_settings() -> None:
    assert settings_of({}) == TrainSettings()


@pytest.mark.parametrize("name", TrainSettings.model_fields)
def test_each_parameter_of_mlproject_reaches_the_setting_of_its_name(name: str) -> None:
    given = BESIDES.get(name, {}) | {name: OTHER[name]}
    reached = settings_of(given)
    assert typed(getattr(reached, name)) == OTHER[name]
    assert reached.model_copy(update={key: getattr(TrainSettings(), key) for key in given}) == TrainSettings()


def test_conda_yaml_pins_every_version() -> None:
    python, pip, packages = yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]
    assert python == "python=3.11"
    assert pip.startswith("pip=")
    assert all("==" in package for package in packages["pip"])
    assert {"torch==2.15.0", "torchvision==0.29.2"} <= set(packages["pip"])
