"""The losses per validation image: as a file, in the results of a study's trials, and as the report reads them."""

import io
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from known_runs import falling, log_training
from lrstudy.cli.command_line import parse
from lrstudy.image_losses import TEST_LOSSES, VAL_LOSSES, from_npy, to_npy
from lrstudy.report import image_losses
from lrstudy.report.image_losses import read_val_losses
from lrstudy.report.load_runs import load_runs
from lrstudy.settings import GridSettings
from lrstudy.study.grid import Grid
from lrstudy.study.optuna_study import study_file
from lrstudy.study.preflight import run_preflight
from lrstudy.study.progress_channel import ProgressChannel
from lrstudy.study.study_run import StudyRun, open_study
from lrstudy.study.trial_result import TrialResult
from lrstudy.study.trial_runner import TrialRunner
from servers import Front
from studies import trainings
from test_trial_runner import Seen

LOSSES = np.array([0.5, np.nan, np.inf, 0.0], np.float32)
GRID = ("--optimizers", "adam,sgd", "--lrs", "0.1,0.01", "--epochs", "2", "--hidden", "8")


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_the_file_holds_all_bits_also_of_losses_that_are_not_finite() -> None:
    read = from_npy(to_npy(LOSSES))
    assert read is not None
    assert read.dtype == np.float32
    assert read.tobytes() == LOSSES.tobytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>oops</html>",
        to_npy(LOSSES)[:-2],
        npy(np.zeros((2, 2), np.float32)),
        npy(np.zeros(2)),
        npy(np.array([{}], object)),
        to_npy(LOSSES).replace(b"}", b" "),
        to_npy(LOSSES).replace(b"(4,), }" + 15 * b" ", b"(4000000000000000,), }"),
    ],
    ids=[
        "empty",
        "of a proxy",
        "truncated",
        "of two dimensions",
        "of float64",
        "of pickles",
        "with a bad header",
        "of a huge shape",
    ],
)
def test_a_file_of_something_else_holds_no_losses(content: bytes) -> None:
    assert from_npy(content) is None


def run_grid(study: StudyRun) -> list[TrialResult]:
    """Train the missing cells of the grid, and return the results of all."""
    settings = parse(GridSettings, [*GRID])
    preflight = run_preflight(settings.cells(), time_epochs=True)
    with study_file("auto", "it") as file, ThreadPoolExecutor(1) as executor, ProgressChannel() as channel:
        return TrialRunner(Grid(settings, file), preflight, study, executor, lambda: 1, Seen()).run(channel)


def in_study(study_of: str) -> tuple[StudyRun, list[TrialResult]]:
    settings = parse(GridSettings, [*GRID])
    context = run_preflight(settings.cells(), time_epochs=True).context
    with open_study("grid", study_of, settings, context, "it") as study:
        return study, run_grid(study)


def by_run(results: list[TrialResult]) -> dict[str, bytes | None]:
    return {one.run_id: None if one.val_losses is None else one.val_losses.tobytes() for one in results}


def file_of(run: Run) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"), VAL_LOSSES)


@pytest.mark.usefixtures("tracking_uri")
def test_trials_of_a_study_have_the_same_losses_trained_and_reused_and_none_without_a_file() -> None:
    _, trained = in_study("first")
    assert not any(result.reused for result in trained)
    for result in trained:
        assert result.val_losses is not None
        assert result.val_losses.mean(dtype=np.float64) == pytest.approx(result.val_loss, rel=1e-6)
    assert by_run(trained) == {run.info.run_id: np.load(file_of(run)).tobytes() for run in trainings()}

    old = trainings()[0]
    file_of(old).unlink()
    _, reused = in_study("second")
    assert all(result.reused for result in reused)
    assert by_run(reused) == by_run(trained) | {old.info.run_id: None}
    assert reused == [*map(_as_reused, trained)], "losses per image are not compared"


def _as_reused(result: TrialResult) -> TrialResult:
    return TrialResult(
        result.number,
        result.specification,
        result.run_id,
        result.val_loss,
        result.val_accuracy,
        result.verdict,
        reused=True,
        curve=[],
    )


def test_losses_of_a_reused_trial_are_none_while_the_server_is_away_and_read_when_it_is_back(front: Front) -> None:
    _, trained = in_study("first")
    settings = parse(GridSettings, [*GRID])
    context = run_preflight(settings.cells(), time_epochs=True).context
    with open_study("grid", "second", settings, context, "it") as study:
        reused = run_grid(study)
        front.how, front.only = "answer 500", "GET .*val_losses"
        first, *others = reused
        assert first.val_losses is None
        front.how = "pass on"
        assert by_run(reused) == by_run(trained)
        front.how = "answer 500"
        assert by_run([first, *others]) == by_run(trained), "read once"
        front.how = "pass on"


def log_runs(losses: Mapping[str, bytes]) -> dict[str, str]:
    """Log a training per content of a file; return the names of the runs by their ids."""
    experiment = os.environ["MLFLOW_EXPERIMENT_ID"]
    ids = {}
    for number, (name, content) in enumerate(losses.items()):
        tags = {"lrstudy.kind": ""} if name == "foreign" else {}
        run_id = log_training(experiment, falling(0.1), seed=number, tags=tags)
        if content:
            Path(VAL_LOSSES).write_bytes(content)
            MlflowClient().log_artifact(run_id, VAL_LOSSES)
        ids[run_id] = name
    return ids


@pytest.mark.parametrize("place", ["tracking_uri", "front"])
def test_the_report_reads_the_losses_of_the_runs_that_have_them(place: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(place)
    files = {
        "first": to_npy(LOSSES),
        "second": to_npy(2 * LOSSES),
        "old": b"",
        "damaged": b"x",
        "foreign": to_npy(LOSSES),
    }
    names = log_runs(files)
    runs = load_runs(os.environ["MLFLOW_EXPERIMENT_ID"]).trainings
    assert {run.run_id for run in runs} == set(names)
    losses = {names[run_id]: values.tobytes() for run_id, values in read_val_losses(runs).items()}
    assert losses == {"first": LOSSES.tobytes(), "second": (2 * LOSSES).tobytes()}
    assert read_val_losses(runs, TEST_LOSSES) == {}


@pytest.mark.usefixtures("tracking_uri")
def test_the_report_does_not_ask_a_store_again_that_took_long_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    log_runs({"old": b"", "first": to_npy(LOSSES), "second": to_npy(LOSSES)})
    runs = load_runs(os.environ["MLFLOW_EXPERIMENT_ID"]).trainings
    monkeypatch.setattr(image_losses, "CONCURRENT_READS", 1)
    assert len(read_val_losses(runs)) == 2
    monkeypatch.setattr(image_losses, "MAX_SECONDS_TO_FAIL", 0.0)
    assert read_val_losses(runs) == {}
    assert len(read_val_losses(runs[1:])) == 2
