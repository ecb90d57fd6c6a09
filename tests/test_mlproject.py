"""`MLproject` and `conda.yaml` against the settings that they must agree with."""

import shlex

import pytest
import yaml
from mlflow.projects.utils import load_project
from pydantic import BaseModel

from conftest import ROOT
from lrstudy.cli.command_line import parse
from lrstudy.formatting import format_setting
from lrstudy.settings.mlproject import ENTRY_POINTS, PATH, mlproject

PROJECT = load_project(ROOT)  # type: ignore[no-untyped-call]
OTHER_VALUES = {
    "data": "mnist",
    "data_root": "/data",
    "image_size": "32",
    "fit": "crop",
    "bad_images": "skip",
    "layout": "classes",
    "duplicates": "drop",
    "groups": "^[^_]+",
    "split_seed": "1",
    "model": "cnn",
    "diagnose": "true",
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
    "optimizer_args": "eps=0.001",
    "schedule": "cosine",
    "warmup": "0.5",
    "augment": "flip",
    "decay": "matrices",
    "label_smoothing": "0.1",
    "class_weights": "balanced",
    "clip_norm": "1",
    "patience": "4",
    "ema": "0.99",
    "precision": "fp32",
    "weights": str(ROOT / "MLproject"),
    "freeze": "backbone",
    "head_lr": "10",
    "workers": "3",
    "cluster": "tcp://10.0.0.1:8786",
    "checkpoints": "/shared/checkpoints",
    "log_models": "all",
    "optimizers": "adam,sgd",
    "lrs": "0.5,0.25",
    "seeds": "3",
    "study_file": "/studies/one.log",
    "extend": "true",
    "low": "0.001",
    "high": "1",
    "trials": "7",
    "minutes": "0.5",
    "trainings": "40",
    "splits": "3",
    "sampler": "random",
    "pruner": "median",
    "run_id": "3f0c",
    "keep": "last",
    "register": "a model",
    "continue_from": "3f0c",
    "images": "photos",
    "out": "classes.csv",
    "labels": "none",
    "tile": "true",
    "table": "runs.csv",
    "delta": "0.02",
    "confidence": "0.9",
    "json": "true",
    "list": "true",
    "discard": "20260102-030405-6-789abcde",
}
# Parameters without a default.
REQUIRED = {
    "compare": {"table": "trainings.csv"},
    "reproduce": {"run_id": "0a1b"},
    "predict": {"images": "pictures", "model": "0a1b"},
}
# Parameters that another one requires.
PRECONDITIONS = {
    ("main", "momentum"): {"optimizer": "sgd"},
    **{
        (entry_point, name): {"weights": OTHER_VALUES["weights"]}
        for entry_point in ("main", "grid", "search", "decide")
        for name in ("freeze", "head_lr")
    },
}


def test_mlproject_is_as_the_settings_write_it() -> None:
    assert PATH.read_text(encoding="utf-8") == mlproject(), "run PYTHONPATH=src python -m lrstudy.settings.mlproject"


def settings_of(entry_point: str, parameters: dict[str, str]) -> BaseModel:
    """Return the settings that the script parses from the command that MLflow would run."""
    script, settings = ENTRY_POINTS[entry_point]
    given = REQUIRED.get(entry_point, {}) | parameters
    command = PROJECT.get_entry_point(entry_point).compute_command(given, storage_dir=None)
    python, run, *arguments = shlex.split(command)
    assert (python, run) == ("python", script)
    return parse(settings, arguments)


def defaults(entry_point: str) -> BaseModel:
    return ENTRY_POINTS[entry_point][1].model_validate(REQUIRED.get(entry_point, {}))


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_mlproject_declares_the_parameters_of_an_entry_point_in_their_order(entry_point: str) -> None:
    declared = PROJECT.get_entry_point(entry_point).parameters
    assert list(declared) == list(ENTRY_POINTS[entry_point][1].model_fields)


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_an_entry_point_has_the_default_settings(entry_point: str) -> None:
    assert settings_of(entry_point, {}) == defaults(entry_point)


@pytest.mark.parametrize(
    ("entry_point", "name"), [(point, name) for point, (_, kind) in ENTRY_POINTS.items() for name in kind.model_fields]
)
def test_each_parameter_of_mlproject_reaches_the_setting_of_its_name(entry_point: str, name: str) -> None:
    given = PRECONDITIONS.get((entry_point, name), {}) | {name: OTHER_VALUES[name]}
    reached, default = settings_of(entry_point, given), defaults(entry_point)
    assert format_setting(getattr(reached, name)) == OTHER_VALUES[name]
    assert reached.model_copy(update={key: getattr(default, key) for key in given}) == default


def test_conda_yaml_pins_every_version() -> None:
    python, pip, packages = yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]
    assert python == "python=3.11"
    assert pip.startswith("pip=")
    assert all("==" in package for package in packages["pip"])
    assert {"torch==2.15.0", "torchvision==0.29.2"} <= set(packages["pip"])
