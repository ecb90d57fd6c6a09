"""The estimate of a study's duration, with round numbers."""

import time
from dataclasses import replace
from typing import Any

import psutil
import pytest

from lrstudy import process_times
from lrstudy.settings import GridSettings
from lrstudy.study import estimate
from lrstudy.study.estimate import StudyEstimate, estimate_study
from lrstudy.training.specification import PreflightResult
from made_trials import CONTEXT

PREFLIGHT = PreflightResult(CONTEXT, {}, data_seconds=1.0, epoch_seconds=2.0, fixed_seconds=1.0)


def expected(trainings: int, concurrency: int, **settings: Any) -> StudyEstimate:
    return estimate_study(GridSettings(epochs=10, **settings), PREFLIGHT, trainings, concurrency)


def started(monkeypatch: pytest.MonkeyPatch, imports: float, elapsed: float) -> None:
    monkeypatch.setattr(estimate, "import_seconds", lambda: imports)
    monkeypatch.setattr(estimate, "seconds_since_start", lambda: elapsed)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "usable_cores", lambda: 2)
    started(monkeypatch, imports=5.0, elapsed=6.0)


def test_one_worker_trains_one_after_the_other_between_the_start_and_the_end() -> None:
    # Four trainings of 21 s, six seconds of start, and some for tracking, figures, the model and the report.
    assert 90 < expected(4, 1).total(4) < 100


def test_more_workers_than_cores_are_not_faster() -> None:
    assert expected(8, 8).total(8) == expected(8, 2).total(8)
    assert expected(8, 2).total(8) < expected(8, 1).total(8)


def test_an_odd_training_takes_a_round_of_its_own() -> None:
    assert expected(5, 2).total(5) - expected(4, 2).total(4) > 20


def test_a_slow_machine_takes_longer_to_draw_and_to_save(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = expected(1, 1).end
    started(monkeypatch, imports=15.0, elapsed=16.0)
    assert expected(1, 1).end == pytest.approx(3 * usual)


def test_what_precedes_the_trainings_does_not_prolong_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # Such as the pilot of a decision, or the preflight of a large network.
    usual = expected(4, 1)
    started(monkeypatch, imports=5.0, elapsed=600.0)
    late = expected(4, 1)
    assert (late.per_training, late.end, late.earliest_end) == (usual.per_training, usual.end, usual.earliest_end)
    assert late.total(4) == usual.total(4) + 594


def test_the_time_since_the_start_is_that_of_the_kernel_although_the_clock_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = time.clock_gettime(time.CLOCK_BOOTTIME) - psutil.Process().create_time() + psutil.boot_time()
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() - 3600)
    assert process_times.seconds_since_start() == pytest.approx(counted, abs=0.1)


def test_a_study_of_short_trainings_waits_for_the_exporter() -> None:
    short = StudyEstimate(start=3.0, per_training=0.1, end=1.0, earliest_end=6.0)
    assert short.total(1) == 9.0
    assert short.left(1, 0.1, elapsed=2.0) == 4.0
    assert short.left(0, 0.1, elapsed=30.0) == 1.0


def test_all_models_take_longer_than_the_best_one() -> None:
    assert expected(12, 2, log_models="all").end > 4 * expected(12, 2).end


def test_on_a_gpu_the_cores_do_not_matter() -> None:
    preflight = replace(PREFLIGHT, context=replace(CONTEXT, device="cuda"))
    both = [estimate_study(GridSettings(epochs=10), preflight, 8, concurrency).total(8) for concurrency in (4, 8)]
    assert both[1] < both[0]
