"""An interrupted and resumed training, compared with an undisturbed one."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pytest
import torch

from lrstudy import cache_paths, provenance
from lrstudy.optimizers import OPTIMIZERS
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import checkpoint, setup
from lrstudy.training.epoch import Epoch
from lrstudy.training.plan import TrainingPlan
from lrstudy.training.progress import track_best

EPOCHS = 6
RUN = "a run's id"


@pytest.fixture(autouse=True)
def _at_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", -1.0)
    monkeypatch.setattr(checkpoint, "MAX_SHARE", float("inf"))


def plan(optimizer: str = "adam", model: str = "mlp", momentum: float = 0.0, epochs: int = EPOCHS) -> TrainingPlan:
    return planned(
        TrainSettings(
            optimizer=optimizer, model=model, hidden=(16,), epochs=epochs, lr=0.01, momentum=momentum, threads=1
        )
    )


def trained(
    what: TrainingPlan, epochs: int = EPOCHS + 1, run_id: str = RUN
) -> tuple[list[Epoch], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Train for `epochs` more epochs or to the end; return the history, the last weights and the best ones."""
    training, progress = checkpoint.resume(setup.build(what), run_id)
    running: Iterator[Epoch] = track_best(training, progress, training.epochs(len(progress.history) - 1))
    list(islice(checkpoint.save_checkpoints(training, run_id, progress, running), epochs))
    return progress.history, training.network.state_dict(), progress.best_weights


def losses(history: list[Epoch]) -> list[tuple[int, float, float]]:
    return [(epoch.epoch, epoch.train_loss, epoch.val_loss) for epoch in history]


def check_the_same(what: TrainingPlan, cut_after: int) -> None:
    whole = trained(what)
    checkpoint_file = cache_paths.checkpoint(RUN)
    checkpoint_file.unlink()
    cut = trained(what, cut_after)
    assert len(cut[0]) == cut_after
    assert checkpoint_file.exists()
    resumed = trained(what)
    assert losses(resumed[0]) == losses(whole[0])
    assert [epoch.train_seconds for epoch in resumed[0][:cut_after]] == [epoch.train_seconds for epoch in cut[0]]
    for ours, theirs in zip(resumed[1:], whole[1:], strict=True):
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_resumes_with_the_same_bits(optimizer: str) -> None:
    check_the_same(plan(optimizer, momentum=0.9 if OPTIMIZERS[optimizer].momentum else 0.0), 3)


@pytest.mark.parametrize("cut_after", [1, 2, EPOCHS])
def test_a_training_resumes_after_any_epoch(cut_after: int) -> None:
    check_the_same(plan(), cut_after)


@pytest.mark.parametrize("model", ["cnn", "shufflenet_v2_x0_5"])
def test_convolutions_and_networks_with_batch_norm_resume_with_the_same_bits(model: str) -> None:
    check_the_same(plan(model=model, epochs=3), 2)


def test_a_training_that_began_before_its_run_had_an_id_keeps_one_checkpoint_and_leaves_none() -> None:
    what = plan()
    whole = trained(what)
    cache_paths.remove_checkpoint(RUN)
    cache_paths.link_checkpoint(RUN, "its name")
    trained(what, 2)
    assert len(trained(what, 1, "its name")[0]) == 3
    resumed = trained(what, run_id="its name")
    assert losses(resumed[0]) == losses(whole[0])
    assert resumed[0][2].train_seconds == trained(what)[0][2].train_seconds
    cache_paths.remove_checkpoint("its name")
    assert list(cache_paths.checkpoint("").parent.iterdir()) == []


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty", "of something else"])
def test_a_damaged_checkpoint_is_reported_and_the_training_starts_over(
    damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    what = plan()
    trained(what, 3)
    path = cache_paths.checkpoint(RUN)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = {"truncated": content[:-100], "one bit": content, "empty": bytearray(), "of something else": b"text" * 99}
    path.write_bytes(bytes(damaged[damage]))
    history, *_ = trained(what)
    assert [epoch.epoch for epoch in history] == list(range(EPOCHS + 1))
    assert "is damaged" in capsys.readouterr().err


def test_a_checkpoint_of_another_training_is_not_used(capsys: pytest.CaptureFixture[str]) -> None:
    trained(plan(momentum=0.9, optimizer="sgd"), 3)
    history, *_ = trained(plan(momentum=0.5, optimizer="sgd"))
    assert [epoch.epoch for epoch in history] == list(range(EPOCHS + 1))
    assert "it belongs to another training" in capsys.readouterr().err


def test_a_checkpoint_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    what = plan()
    trained(what, 3)
    monkeypatch.setattr(provenance, "versions", lambda: {"torch": "another"})
    _, progress = checkpoint.resume(setup.build(what), RUN)
    assert progress.history == []


def test_a_checkpoint_from_before_a_metric_was_added_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class LaterEpoch(Epoch):
        val_error: float = math.nan

    history, *_ = trained(plan(), 3)
    monkeypatch.setattr(checkpoint, "Epoch", LaterEpoch)
    _, progress = checkpoint.resume(setup.build(plan()), RUN)
    assert losses(progress.history) == losses(history)
    assert all(math.isnan(epoch.val_error) for epoch in progress.history if isinstance(epoch, LaterEpoch))
    assert {type(epoch) for epoch in progress.history} == {LaterEpoch}


def test_a_training_continues_if_no_checkpoint_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    cache_paths.cache_folder().mkdir(parents=True)
    (cache_paths.cache_folder() / "checkpoints").write_text("a file where the folder should be")
    history, *_ = trained(plan())
    assert len(history) == EPOCHS + 1
    assert capsys.readouterr().err.count("no checkpoint can be written") == 1
