"""The script that checks a GPU, as far as it runs on a CPU."""

import sys
from pathlib import Path

import pytest
import torch

import gpu_check
from gpu_check import Check
from gpu_trainings import ALL_ON, Images, plain_images_per_second, random_images, train, train_and_be_killed
from lrstudy.settings import TrainSettings

SMALL = Images(60, 8)
TRAINING = TrainSettings(epochs=3, batch_size=16, device="cpu", hidden=(8,))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_script_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_check.py"])
    with pytest.raises(SystemExit) as ended:
        gpu_check.main()
    assert ended.value.code == 2
    assert capsys.readouterr().out == "torch finds no GPU here; these checks need one.\n"


def test_a_check_that_fails_is_counted_and_the_others_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> list[Check]:
        raise RuntimeError("no memory")

    groups = {"first": broken, "second": lambda: [Check("speed", True, "2 times"), Check("memory", False, "9 MiB")]}
    assert gpu_check.print_checks(gpu_check.run_checks(groups)) == 2
    assert capsys.readouterr().out.splitlines() == [
        "FAILED  first: RuntimeError: no memory",
        "OK      speed: 2 times",
        "FAILED  memory: 9 MiB",
    ]


def test_a_digest_covers_losses_and_weights_and_not_the_features() -> None:
    bits = train(TRAINING, SMALL)
    assert bits == train(TRAINING, SMALL, ALL_ON._replace(graphs=False, images_on_device=False, read_ahead=False))
    assert bits != train(TRAINING.model_copy(update={"lr": 0.0011}), SMALL)


def test_a_training_with_checkpoints_has_the_same_digest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("lrstudy.training.checkpoint.SECONDS_BETWEEN", 2.0)  # which the function changes
    monkeypatch.setattr("lrstudy.training.checkpoint.MAX_SHARE", 0.01)
    expected, _ = train(TRAINING, SMALL)
    assert train_and_be_killed(TRAINING, SMALL, "a run", 9) == (expected, -1)
    assert train_and_be_killed(TRAINING, SMALL, "a run", 9) == (expected, 3)


def test_the_plain_loop_trains_on_the_same_images() -> None:
    assert len(random_images(SMALL).train) == 48
    assert plain_images_per_second(TRAINING, SMALL) > 0
