"""The advice to train on the CPU, though there is a GPU."""

import math
from dataclasses import replace

import pytest

from lrstudy.settings import DecideSettings, GridSettings, SearchSettings, TrainSettings
from lrstudy.study.cpu_speed import cpu_seconds
from lrstudy.study.device_advice import advise_cpu
from lrstudy.study.trial import planned
from lrstudy.training.specification import PreflightResult
from made_trials import CONTEXT

ON_GPU = PreflightResult(
    replace(CONTEXT, device="cuda"), {}, data_seconds=1.0, epoch_seconds=1.0, fixed_seconds=1.0, cpu_seconds=1.5
)


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrstudy.study.device_advice.usable_cores", lambda: 16)


def test_the_cpu_is_advised_where_it_ends_before_a_gpu_starts() -> None:
    assert advise_cpu(GridSettings(), ON_GPU) == (
        "device=auto is cuda here, but device=cpu is probably faster: 12 trainings would take 16 cores about 1.5 s, "
        "and a GPU takes 10 s or more to start"
    )


@pytest.mark.parametrize(
    ("settings", "cpu", "threads", "advised"),
    [
        (TrainSettings(), 9.9, 1, True),
        (TrainSettings(), 10.1, 1, False),
        (TrainSettings(), math.inf, 1, False),
        (GridSettings(seeds=3), 3.0, 1, True),  # 36 trainings in three rounds
        (GridSettings(seeds=3), 3.4, 1, False),
        (GridSettings(), 1.5, 8, True),  # in six rounds
        (GridSettings(), 1.7, 8, False),
        (SearchSettings(), 1.2, 1, True),  # 120 trainings in eight rounds
        (SearchSettings(), 1.3, 1, False),
        (DecideSettings(), 9.0, 1, True),
    ],
)
def test_the_advice_follows_from_the_rounds_of_trainings_on_all_cores(
    settings: TrainSettings | GridSettings | SearchSettings | DecideSettings, cpu: float, threads: int, advised: bool
) -> None:
    preflight = replace(ON_GPU, cpu_seconds=cpu, context=replace(ON_GPU.context, threads=threads))
    assert bool(advise_cpu(settings, preflight)) == advised


def test_a_study_on_the_cpu_gets_no_advice() -> None:
    on_cpu = PreflightResult(CONTEXT, {}, data_seconds=1.0, epoch_seconds=1.0, fixed_seconds=1.0)
    assert advise_cpu(GridSettings(), on_cpu) == ""


def test_the_time_on_the_cpu_grows_with_the_epochs_and_is_unknown_for_large_networks() -> None:
    short, long = (cpu_seconds(planned(TrainSettings(epochs=epochs))) for epochs in (1, 1000))
    assert 0 < short < long < math.inf
    large = planned(TrainSettings()).settings.model_copy(update={"model": "resnet18"})
    assert cpu_seconds(replace(planned(TrainSettings()), settings=large)) == math.inf
