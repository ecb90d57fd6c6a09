"""Code of users with state or random draws that a checkpoint does not hold."""

from pathlib import Path

import pytest
import torch

from lrstudy import cache_paths
from lrstudy.settings import TrainSettings
from lrstudy.study.preflight import run_preflight
from lrstudy.study.progress_channel import ProgressChannel
from lrstudy.study.trial import planned, run_trial
from lrstudy.study.trial_job import TrialJob
from lrstudy.training import checkpoint, setup
from lrstudy.training.hidden_state import has_hidden_state
from lrstudy.training.progress import initial_progress, track_best

CODE = """
import random
import numpy as np
import torch
from torch import nn

class Noisy(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.layer = nn.Linear(inputs, classes)
        self.factor = 1 + random.random()

    def forward(self, images):
        return self.layer(images.flatten(1)) * self.factor * (1 + random.random() / 10 + np.random.rand() / 10)

def noisy(channels, side, classes):
    return Noisy(channels * side**2, classes)

class Counts(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.layer, self.steps = nn.Linear(inputs, classes), 0

    def forward(self, images):
        self.steps += self.training
        return self.layer(images.flatten(1)) / (1 + self.steps / 100)

def counts(channels, side, classes):
    return Counts(channels * side**2, classes)

class Buffered(Counts):
    def __init__(self, inputs, classes):
        super().__init__(inputs, classes)
        del self.steps
        self.register_buffer("steps", torch.zeros(()))

def buffered(channels, side, classes):
    return Buffered(channels * side**2, classes)

class Slows(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
        self.steps = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.steps += 1
        for group in self.param_groups:
            for weight in group["params"]:
                weight -= group["lr"] / self.steps * weight.grad
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path / "mine.py"


def losses(settings: TrainSettings) -> list[float]:
    return [epoch.val_loss for epoch in setup.build(planned(settings)).epochs()]


def resumed_losses(settings: TrainSettings, after: int) -> list[float]:
    interrupted = setup.build(planned(settings))
    progress = initial_progress(interrupted)
    for epoch in track_best(interrupted, progress, interrupted.epochs()):
        if epoch.epoch == after:
            break
    state = checkpoint.state(interrupted, progress)
    training = setup.build(planned(settings))
    progress = checkpoint.from_state(training, state)
    return [epoch.val_loss for epoch in track_best(training, progress, training.epochs(after))]


def test_a_network_that_draws_with_python_and_numpy_has_the_same_bits_again_and_resumed(code: Path) -> None:
    settings = TrainSettings(model=f"{code}:noisy", epochs=3, threads=1)
    whole = losses(settings)
    assert losses(settings) == whole
    assert resumed_losses(settings, 1) == whole[2:]


@pytest.mark.parametrize(
    ("setting", "name", "hidden"),
    [("model", "noisy", False), ("model", "buffered", False), ("model", "counts", True), ("optimizer", "Slows", True)],
)
def test_state_that_a_checkpoint_would_lose_is_found_and_warned_of(
    code: Path, setting: str, name: str, hidden: bool
) -> None:
    settings = TrainSettings.model_validate({setting: f"{code}:{name}", "threads": 1, "epochs": 3})
    assert has_hidden_state(planned(settings)) == hidden
    assert (resumed_losses(settings, 1) == losses(settings)[2:]) != hidden
    warnings = run_preflight([settings], time_epochs=False).context.data.warnings
    start = f"{setting}='{code}:{name}' has state that its state_dict() lacks"
    assert [warning.startswith(start) for warning in warnings] == [True] * hidden


@pytest.mark.parametrize(("name", "written"), [("counts", False), ("buffered", True)])
def test_a_training_with_hidden_state_writes_no_checkpoint(
    code: Path, name: str, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", -1.0)
    monkeypatch.setattr(checkpoint, "MAX_SHARE", float("inf"))
    settings = TrainSettings(model=f"{code}:{name}", epochs=1, threads=1)
    with ProgressChannel() as channel:
        job = TrialJob(0, "a run's id", planned(settings).specification.key, settings, channel.address)
        result = run_trial(job).result
    assert result is not None
    assert cache_paths.checkpoint(job.run_id).exists() == written


def test_the_project_itself_draws_the_same_as_before() -> None:
    # Python's and NumPy's generators are seeded too; those of torch, which draw initial weights and dropout, as ever.
    training = setup.build(planned(TrainSettings(model="mlp", hidden=(8,), threads=1, seed=3)))
    torch.manual_seed(3)
    assert torch.equal(next(training.network.parameters()), torch.nn.Linear(64, 8).weight)
