"""The estimate of a study's duration, with round numbers."""

from dataclasses import replace
from typing import Any

import pytest

from lrstudy.settings import GridSettings
from lrstudy.study.estimate import StudyEstimate, estimate_study
from lrstudy.training.specification import PreflightResult
from made_trials import CONTEXT

PREFLIGHT = PreflightResult(CONTEXT, {}, data_seconds=1.0, epoch_seconds=2.0, fixed_seconds=1.0)


def expected(trainings: int, concurrency: int, start: float = 6.0, **settings: Any) -> StudyEstimate:
    return estimate_study(GridSettings(epochs=10, **settings), PREFLIGHT, start, trainings, concurrency)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrstudy.study.estimate.usable_cores", lambda: 2)


def test_one_worker_trains_one_after_the_other_between_the_start_and_the_end() -> None:
    # Four trainings of 21 s, six seconds of start, and some for tracking, figures, the model and the report.
    assert 90 < expected(4, 1).total(4) < 100


def test_more_workers_than_cores_are_not_faster() -> None:
    assert expected(8, 8).total(8) == expected(8, 2).total(8)
    assert expected(8, 2).total(8) < expected(8, 1).total(8)


def test_an_odd_training_takes_a_round_of_its_own() -> None:
    assert expected(5, 2).total(5) - expected(4, 2).total(4) > 20


def test_a_slow_machine_takes_longer_to_draw_and_to_save() -> None:
    assert expected(1, 1, start=16.0).end > 2 * expected(1, 1).end


def test_a_study_of_short_trainings_waits_for_the_exporter() -> None:
    short = StudyEstimate(start=3.0, per_training=0.1, end=1.0, earliest_end=6.0)
    assert short.total(1) == 9.0
    assert short.left(1, 0.1, elapsed=2.0) == 4.0
    assert short.left(0, 0.1, elapsed=30.0) == 1.0


def test_all_models_take_longer_than_the_best_one() -> None:
    assert expected(12, 2, log_models="all").end > 5 * expected(12, 2).end


def test_on_a_gpu_the_cores_do_not_matter() -> None:
    preflight = replace(PREFLIGHT, context=replace(CONTEXT, device="cuda"))
    both = [estimate_study(GridSettings(epochs=10), preflight, 6.0, 8, concurrency).total(8) for concurrency in (4, 8)]
    assert both[1] < both[0]
