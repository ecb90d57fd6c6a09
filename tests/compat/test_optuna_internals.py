"""The behaviour of Optuna that the overrides rely on."""

import warnings

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import GridSampler

from lrstudy.compat.optuna_internals import AskedGridSampler, silence_optuna

AXES = {"lr": [0.1, 0.01]}


def told(sampler: GridSampler) -> optuna.Study:
    """Ask for all trials of a grid and tell their results; the last is told last."""
    study = optuna.create_study(sampler=sampler)
    for trial in [study.ask({"lr": FloatDistribution(0.01, 0.1)}) for _ in AXES["lr"]]:
        study.tell(trial, 1.0)
    return study


def test_optunas_own_grid_sampler_stops_a_loop_that_does_not_exist() -> None:
    with pytest.raises(RuntimeError, match="stop"):
        told(GridSampler(AXES, seed=0))


def test_ours_takes_the_last_result() -> None:
    study = told(AskedGridSampler(AXES, seed=0))
    assert {trial.params["lr"] for trial in study.trials} == set(AXES["lr"])
    assert [trial.value for trial in study.trials] == [1.0, 1.0]


def test_optuna_is_silent_about_experimental_features() -> None:
    before = optuna.logging.get_verbosity()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            optuna.samplers.QMCSampler(warn_independent_sampling=False)
            loud = len(caught)
            silence_optuna()
            optuna.samplers.QMCSampler(warn_independent_sampling=False)
        assert loud > 0
        assert len(caught) == loud
        assert optuna.logging.get_verbosity() == optuna.logging.WARNING
    finally:
        optuna.logging.set_verbosity(before)
