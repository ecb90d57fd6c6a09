"""Networks and optimizers in files of the user."""

from pathlib import Path

import pytest
import torch
from torch import nn

from lrstudy.cli.command_line import parse
from lrstudy.errors import SettingsError, UserCodeError
from lrstudy.optimizers import build_optimizer, parse_arguments
from lrstudy.settings import GridSettings, TrainSettings
from lrstudy.study.preflight import run_preflight
from lrstudy.study.rendering import render_network
from lrstudy.study.trial import planned
from lrstudy.training import artifacts, setup
from lrstudy.training.artifacts import artifact_files
from lrstudy.training.progress import finalize, initial_progress, track_best

CODE = """
import torch
from torch import nn

def build(channels, side, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * side**2, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))

def three_classes(channels, side, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * side**2, 3))

def seven(channels, side, classes):
    return 7

def without_weights(channels, side, classes):
    return nn.Flatten()

def exits(channels, side, classes):
    raise SystemExit("usage: mine.py FOLDER")

def fails(channels, side, classes):
    return helper({})

def helper(settings):
    return settings["width"]

class InTraining(nn.Linear):
    def forward(self, images):
        if self.training:
            raise ValueError("only for evaluation")
        return super().forward(images.flatten(1))

def fails_in_training(channels, side, classes):
    return InTraining(channels * side**2, classes)

class NoStep(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    def step(self, closure=None):
        raise ValueError("only for evaluation")

class Sign(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, weight_decay=0.0, power=1.0):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "power": power})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                weight -= group["lr"] * weight.grad.sign() * weight.grad.abs() ** (group["power"] - 1)
"""


UNUSUAL = """
import torch

class Sign(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, base=torch.optim.SGD, scale=torch.tensor(2.0)):
        super().__init__(params, {"lr": lr, "base": base, "scale": scale})

class Closure(Sign):
    def step(self, closure):
        closure()

class TensorLr(Sign):
    def __init__(self, params, lr=0.1):
        super().__init__(params, torch.tensor(lr))

class OwnLr(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {})

class Matrices(Sign):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        assert all(weight.ndim == 2 for group in self.param_groups for weight in group["params"])
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path / "mine.py"


def test_a_users_network_and_optimizer_train_and_their_file_is_an_artifact(code: Path) -> None:
    settings = TrainSettings(model=f"{code}:build", optimizer=f"{code}:Sign", lr=0.01, epochs=3, threads=1)
    training = setup.build(planned(settings))
    progress = initial_progress(training)
    records = list(track_best(training, progress, training.epochs()))
    assert records[-1].train_loss < 0.5 * records[0].train_loss
    assert artifact_files(training, finalize(training, progress))["code/mine.py"] == code.read_bytes()
    assert training.plan.specification.name == "mine.py:Sign lr=0.01 seed=0"


def test_the_content_of_a_file_is_part_of_a_trainings_identity_and_its_place_is_not(code: Path) -> None:
    def key(path: Path) -> str:
        return planned(TrainSettings(model=f"{path}:build", threads=1)).specification.key

    elsewhere = code.with_name("moved.py")
    elsewhere.write_text(CODE)
    changed = code.with_name("changed.py")
    changed.write_text(CODE + "\nWIDTH = 9\n")
    assert key(elsewhere) == key(code) != key(changed)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("three_classes", "makes \\(2, 3\\), not \\(2, 10\\)"),
        ("seven", "the function returned int, not a torch.nn.Module"),
        ("without_weights", "the network has no weights to train"),
        ("exits", "cannot build the network: SystemExit: usage: mine.py FOLDER"),
        ("biuld", "mine.py has no 'biuld'; did you mean 'build'"),
    ],
)
def test_a_function_that_makes_no_network_for_the_data_is_rejected(code: Path, name: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        setup.build(planned(TrainSettings(model=f"{code}:{name}", threads=1)))


def test_an_error_in_a_users_function_shows_the_users_lines_and_none_of_this_project(code: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        setup.build(planned(TrainSettings(model=f"{code}:fails", threads=1)))
    message = str(raised.value)
    assert "KeyError: 'width'" in message
    assert message.count(str(code)) == 3  # the setting, and the lines of both functions
    assert 'return settings["width"]' in message
    assert "lrstudy" not in message.replace(str(code), "")


@pytest.mark.parametrize(("setting", "name"), [("model", "fails_in_training"), ("optimizer", "NoStep")])
@pytest.mark.parametrize("time_epochs", [False, True])
def test_code_that_fails_in_training_alone_is_found_before_the_training(
    code: Path, setting: str, name: str, time_epochs: bool
) -> None:
    settings = TrainSettings.model_validate({setting: f"{code}:{name}"})
    with pytest.raises(UserCodeError, match=r"fails while it trains: ValueError: only for evaluation\n.*mine.py"):
        run_preflight([settings], time_epochs=time_epochs)


@pytest.mark.parametrize(
    ("last", "warned"), [("nn.Softmax(1)", True), ("nn.LogSoftmax(1)", False), ("nn.ReLU()", False)]
)
def test_a_network_that_makes_probabilities_is_warned_of(tmp_path: Path, last: str, warned: bool) -> None:
    build = f"def build(*_): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), {last})"
    (tmp_path / "mine.py").write_text(f"from torch import nn\n{build}\n")
    settings = TrainSettings(model=f"{tmp_path}/mine.py:build", threads=1)
    warnings = run_preflight([settings], time_epochs=False).context.data.warnings
    assert ["as after a softmax; the loss takes logits" in warning for warning in warnings] == [True] * warned


def test_a_syntax_error_is_shown_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("\ndef build(channels, side, classes)\n    return 1\n")
    with pytest.raises(SettingsError, match=r"broken.py\", line 2\n(?s:.*)SyntaxError"):
        setup.build(planned(TrainSettings(model=f"{tmp_path}/broken.py:build", threads=1)))


def test_a_file_that_does_not_exist_is_rejected_before_anything_is_imported(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"model='none.py:build': there is no file '{tmp_path}/none.py'"):
        parse(TrainSettings, ["--model", "none.py:build"])


def test_a_name_that_is_not_an_optimizer_is_rejected(code: Path) -> None:
    with pytest.raises(SettingsError, match=r"is not a subclass of torch\.optim\.Optimizer"):
        planned(TrainSettings(optimizer=f"{code}:build")).optimizer([])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Closure", "Closure': its step\\(\\) needs 'closure'; a training calls it without arguments"),
        ("TensorLr", "TensorLr': its param_groups have no 'lr' that is a number"),
        ("OwnLr", "OwnLr': its param_groups have no 'lr' that is a number"),
    ],
)
def test_an_optimizer_that_is_used_in_another_way_is_rejected(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "mine.py").write_text(UNUSUAL)
    with pytest.raises(SettingsError, match=sentence):
        run_preflight([TrainSettings(optimizer=f"{tmp_path}/mine.py:{name}")], time_epochs=False)


@pytest.mark.parametrize("name", ["Sign", "Matrices"])
def test_defaults_of_any_kind_are_part_of_the_same_identity_in_each_process(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.py").write_text(UNUSUAL)
    settings = TrainSettings(optimizer=f"{tmp_path}/mine.py:{name}", threads=1)
    expected = {"lr": 0.001, "base": "torch.optim.sgd.SGD", "scale": 2.0}
    assert planned(settings).hyperparameters == expected


@pytest.mark.parametrize("text", ["mine.py", "folder/mine.py:"])
@pytest.mark.parametrize("setting", ["model", "optimizer"])
def test_a_file_without_a_name_in_it_is_rejected_with_an_example(setting: str, text: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse(TrainSettings, [f"--{setting}", text])
    assert str(raised.value) == (
        f"{setting}='{text}' must also name the function or the class in the file, as in '{text.rstrip(':')}:name'."
    )


def test_an_import_from_the_files_own_folder_is_rejected_with_the_reason(code: Path) -> None:
    using = code.with_name("using.py")
    using.write_text("from mine import build")
    with pytest.raises(SettingsError, match=r"using\.py imports 'mine' from its own folder, whose content would not"):
        setup.build(planned(TrainSettings(model=f"{using}:build", threads=1)))


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(SettingsError, match="needs the package no_such_package, which is not installed"):
        build_optimizer("no_such_package:Lion", [nn.Parameter(torch.zeros(1))], lr=0.1)


def test_arguments_of_an_optimizer_reach_its_class_and_its_identity() -> None:
    arguments = parse_arguments("betas=0.5,0.75; eps=1e-6;amsgrad=true")
    assert arguments == {"betas": (0.5, 0.75), "eps": 1e-6, "amsgrad": True}
    defaults = build_optimizer("adam", [nn.Parameter(torch.zeros(1))], lr=0.1, arguments=arguments).defaults
    assert {name: defaults[name] for name in arguments} == arguments
    keys = {
        planned(TrainSettings(optimizer_args=text, threads=1)).specification.key
        for text in ("none", "eps=1e-6", "eps=1e-06", "eps=1e-5")
    }
    assert len(keys) == 3  # eps=1e-6 is written in two ways


@pytest.mark.parametrize(
    ("optimizer", "arguments", "sentence"),
    [
        ("adam", "beta=0.9", "optimizer_args='beta=0.9': adam does not take 'beta'; did you mean 'betas'"),
        ("sgd", "nesterov=true", "optimizer_args='nesterov=true' cannot be used with sgd: ValueError: Nesterov"),
        ("adam", "betas=0.9", "optimizer_args='betas=0.9' cannot be used with adam: TypeError"),
    ],
)
def test_arguments_that_an_optimizer_does_not_take_are_rejected(optimizer: str, arguments: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        build_optimizer(optimizer, [nn.Parameter(torch.zeros(1))], lr=0.1, arguments=parse_arguments(arguments))


def test_the_settings_of_optimizers_are_axes_of_a_grid() -> None:
    given = ["--optimizers=sgd,adam", "--lrs=0.1", "--momentum=0,0.9", "--weight_decay=auto,0.01"]
    grid = parse(GridSettings, [*given, "--optimizer_args=none|foreach=false"])
    labels = [cell.optimizer_label for cell in grid.cells()]
    of_sgd = [label for label in labels if label.startswith("sgd")]
    assert len(of_sgd) == 8
    assert len(set(labels)) == len(labels) == 12
    assert "sgd momentum=0.9 weight_decay=0.01 foreach=false" in labels
    assert grid.size == "12×1"


def test_a_network_with_batch_norm_is_drawn_as_it_classifies(code: Path) -> None:
    settings = TrainSettings(model=f"{code}:build", epochs=1, threads=1)
    training = setup.build(planned(settings))
    key, weights = training.plan.specification.key, artifacts.weights_file(training.network)
    rendered = set(render_network(settings, key, weights, "mine"))
    assert rendered >= {"figures/layers/1.png", "figures/mistakes.png", "layers.json", "mistakes.json"}
