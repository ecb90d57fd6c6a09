"""Files that somebody else may have put where ours are read: a pickle in one runs nothing."""

import hashlib
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lrstudy import cache_paths
from lrstudy.data import load
from lrstudy.errors import DataError
from lrstudy.settings import TrainSettings
from lrstudy.study.rendering import render_network
from lrstudy.study.trial import planned
from lrstudy.training import checkpoint, setup


class Attack:
    """Loaded from a pickle, it makes a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def attack(tmp_path: Path) -> Attack:
    attack = Attack(tmp_path / "trace")
    pickle.loads(pickle.dumps(attack))
    attack.trace.rmdir()
    return attack


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize("part", ["all", "network", "optimizer", "history"])
def test_a_checkpoint_with_a_right_digest_runs_nothing(
    part: str, attack: Attack, capsys: pytest.CaptureFixture[str]
) -> None:
    content = saved(attack if part == "all" else {part: attack})
    path = cache_paths.checkpoint("a run's id")
    path.parent.mkdir(parents=True)
    path.write_bytes(hashlib.sha256(content).digest() + content)
    _, progress = checkpoint.resume(setup.build(planned(TrainSettings(hidden=(4,)))), "a run's id")
    assert progress.history == []
    assert "is damaged" in capsys.readouterr().err
    assert not attack.trace.exists()


def test_the_cache_of_images_runs_nothing_and_is_built_again(attack: Attack, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(7):
            Image.new("L", (3, 3), number).save(tmp_path / "set" / name / f"{number}.png")

    def digest() -> str:
        return load(
            str(tmp_path / "set"), data_root=None, image_size=8, fit="pad", bad_images="error", split_seed=0
        ).digest

    before = digest()
    (sums,) = cache_paths.cache_folder().rglob("sums.npy")
    np.save(sums, np.array([attack], dtype=object), allow_pickle=True)
    assert digest() == before
    assert not attack.trace.exists()


def test_a_runs_weights_run_nothing(attack: Attack) -> None:
    plan = planned(TrainSettings(hidden=(4,)))
    with pytest.raises(pickle.UnpicklingError):
        render_network(plan.settings, plan.specification.key, saved(attack), "attacked")
    assert not attack.trace.exists()


def test_pickled_data_sets_of_another_content_run_nothing(
    attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nothing listens
    for folder, names, content in (
        ("cifar-10-batches-py", ["batches.meta", "test_batch", *(f"data_batch_{n}" for n in range(1, 6))], None),
        ("MNIST/processed", ["training.pt", "test.pt"], saved(attack)),
    ):
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).write_bytes(content or pickle.dumps(attack))
    for name in ("cifar10", "mnist"):
        with pytest.raises(DataError, match="neither in"):
            load(name, data_root=tmp_path, image_size=0, fit="pad", bad_images="error", split_seed=0)
    assert not attack.trace.exists()
