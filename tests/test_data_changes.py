"""A data folder that changes while it is trained on: that is noticed, and said."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lrstudy import cache_paths
from lrstudy.errors import DataError
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned, run_trial
from lrstudy.study.trial_job import TrialJob
from lrstudy.training.plan import data_changes
from studies import running, running_study, runs, studies

SENTENCE = "the images have changed since they were read. Training used the images as they were read."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of ten images."""
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            colour = (20 * number, 255 * (name == "cat"), 9)
            Image.new("RGB", (9, 9), colour).save(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


def change(folder: Path) -> None:
    Image.new("RGB", (9, 9), (1, 2, 3)).save(folder / "cat" / "0.png")


def add(folder: Path) -> None:
    Image.new("RGB", (9, 9), (1, 2, 3)).save(folder / "cat" / "new.png")


def remove(folder: Path) -> None:
    (folder / "cat" / "0.png").unlink()


def break_one(folder: Path) -> None:
    (folder / "cat" / "0.png").write_bytes(b"no image")


def of(folder: Path | str) -> TrainSettings:
    return TrainSettings(data=str(folder), image_size=8, hidden=(4,), epochs=1)


def read(folder: Path) -> tuple[str, str]:
    data = planned(of(folder)).data
    return data.digest, data.files_state


@pytest.mark.parametrize("harm", [change, add, remove, break_one])
def test_changes_in_a_folder_are_noticed(harm: Callable[[Path], None], folder: Path) -> None:
    before = read(folder)
    assert data_changes(of(folder), *before) == []
    harm(folder)
    assert data_changes(of(folder), *before) == [f"data='{folder}': {SENTENCE}"]


def test_files_that_are_touched_and_files_that_are_no_images_are_no_change(folder: Path) -> None:
    before = read(folder)
    (folder / "cat" / "0.png").touch()
    (folder / "cat" / "notes.txt").write_text("mine")
    assert data_changes(of(folder), *before) == []


def lose_cache(_: Path) -> None:
    shutil.rmtree(cache_paths.cache_folder())
    cache_paths.cache_folder().write_text("a file, so that nothing can be written there")


def lose_cache_and_touch(folder: Path) -> None:
    lose_cache(folder)
    (folder / "cat" / "0.png").touch()


def move(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


@pytest.mark.parametrize(
    ("harm", "begin"),
    [
        (lose_cache, None),
        (
            lose_cache_and_touch,
            "data='{}': files have changed since they were read; whether the images have is not known: the cache of ",
        ),
        (move, "data='{}' is neither a known data set nor a folder. Training used the images as they were read."),
    ],
)
def test_images_are_not_reported_as_changed_because_the_cache_was_lost(
    harm: Callable[[Path], None], begin: str | None, folder: Path
) -> None:
    before = read(folder)
    harm(folder)
    changes = data_changes(of(folder), *before)
    assert len(changes) == (begin is not None)
    assert all(change.startswith((begin or "").format(folder)) for change in changes)


def test_a_trial_on_other_images_than_its_study_began_with_is_rejected(folder: Path, tmp_path: Path) -> None:
    """A worker that starts later reads the folder anew; here it is another way to the folder that makes it be read."""
    key = planned(of(folder)).specification.key
    same, later = of(f"{folder}/../pets"), of(f"{folder}/../pets/../pets")
    assert run_trial(TrialJob(0, "one run", key, same, tmp_path)).result
    change(folder)
    with pytest.raises(DataError, match="the images have changed since the study began; start it again"):
        run_trial(TrialJob(1, "another run", key, later, tmp_path))


@pytest.mark.slow
@pytest.mark.usefixtures("tracking_uri")
def test_a_folder_that_changes_during_a_training_is_reported(folder: Path) -> None:
    with running("train.py", "--data", str(folder), "--hidden", "4", "--epochs", "500") as training:
        assert training.stderr is not None
        while "epoch" not in (line := training.stderr.readline()):
            assert line, training.communicate()
        add(folder)
        said, complaints = training.communicate(timeout=60)
    assert training.returncode == 0, complaints
    assert f"data='{folder}': {SENTENCE}" in said.splitlines()
    (run,) = runs()
    assert SENTENCE in run.data.tags["mlflow.note.content"]


@pytest.mark.slow
@pytest.mark.usefixtures("tracking_uri")
def test_a_folder_that_changes_during_a_study_is_reported_and_its_first_images_are_used(
    folder: Path,
) -> None:
    settings = ("--data", str(folder), "--hidden", "4", "--epochs", "200", "--workers", "1", "--optimizers", "sgd")
    with running_study("grid", *settings) as study:
        assert study.stderr is not None
        while "[1/3]" not in (line := study.stderr.readline()):
            assert line, study.communicate()
        change(folder)
        said, complaints = study.communicate(timeout=100)
    assert study.returncode == 0, complaints
    assert f"data='{folder}': {SENTENCE}" in said.splitlines()
    assert SENTENCE in studies()[0].data.tags["mlflow.note.content"]
    assert len(runs()) == 4
    assert len({run.data.tags["lrstudy.data_digest"] for run in runs()}) == 1
