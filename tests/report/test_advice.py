"""The commands that the report advises: each is one that its entry point takes."""

import math
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from known_runs import falling, log_study, log_training
from lrstudy.cli.command_line import parse
from lrstudy.report.comparison import Comparison
from lrstudy.report.grouping import group_runs
from lrstudy.report.load_runs import load_runs
from lrstudy.report.warnings import ReportWarning, find_warnings
from lrstudy.settings import GridSettings, SearchSettings, TrainSettings
from reports import arguments_of, log_seeds, summary

# Each of these signs means something to a shell.
DATA = "'it's a \"folder\"/of $HOME\nand `photos` \\ '"


def test_its_commands_are_ones_that_the_entry_points_take(experiment: str) -> None:
    settings: dict[str, Any] = {"epochs": "4", "hidden": "8", "batch_size": "64", "model": "mlp", "data": DATA}
    study = log_study(experiment, lrs="0.1,0.01", seeds="1", **settings)
    for lr in ("0.1", "0.01"):
        log_training(experiment, falling(float(lr)), parent=study, lr=lr, **settings)
    content = summary()
    more = parse(GridSettings, arguments_of(content["best_so_far"]["command"]))
    assert (more.lrs, more.seeds, more.data) == ((0.1, 0.01), 3, DATA)
    commands = {one["code"]: one["command"] for one in content["warnings"]}
    wider = parse(GridSettings, arguments_of(commands["not_bracketed"]))
    assert (wider.extend, wider.lrs, wider.epochs, wider.data) == (True, (0.1, 0.01), 4, DATA)
    assert parse(GridSettings, arguments_of(commands["one_seed"])).seeds == 3
    assert parse(GridSettings, arguments_of(commands["still_improving"])).epochs == 8


def test_the_command_of_a_recommendation_repeats_its_training(experiment: str) -> None:
    settings: dict[str, Any] = {"epochs": "4", "hidden": "8", "batch_size": "64", "model": "mlp", "data": DATA}
    for lr in ("0.1", "0.01"):
        log_seeds(experiment, float(lr), lr=lr, **settings)
    trained = parse(TrainSettings, arguments_of(summary()["recommendation"]["command"]))
    assert (trained.optimizer, trained.lr, trained.epochs, trained.hidden) == ("adam", 0.01, 4, (8,))
    assert (trained.batch_size, trained.data) == (64, DATA)


def warning(code: str) -> ReportWarning:
    """Return the only warning with this code of a report that is not written, which saves its figures."""
    loaded = load_runs()
    found = find_warnings(Comparison(group_runs(loaded)[0][0]), loaded.study)
    (one,) = [one for one in found if one.code == code]
    return one


class TestTheAdviceForASearch:
    @pytest.mark.parametrize(
        ("lrs", "low", "high", "trials", "said"),
        [
            (("0.002", "0.1", "1"), 1e-5, 10, 20, "The search allowed down to 1e-05 but tried nothing below it."),
            (("1", "0.1", "0.01"), 1e-5, 10, 20, "The search allowed up to 10 but tried nothing above it."),
            (("0.00002", "0.1", "1"), 1e-7, 10, 10, ""),
            (("9", "0.1", "1"), 1e-5, 1000, 10, ""),
            (("0.002",), 1e-5, 10, 20, "tried nothing below it. The search allowed up to 10"),
        ],
    )
    def test_never_narrows_its_range_and_names_what_it_left_out(
        self, experiment: str, lrs: tuple[str, ...], low: float, high: float, trials: int, said: str
    ) -> None:
        limits = {"low": "1e-05", "high": "10.0", "trials": "10"}
        study = log_study(experiment, "search", optimizer="adam", hidden="8", **limits)
        for place, lr in enumerate(lrs):
            log_training(experiment, falling(0.1 * (place + 1)), parent=study, lr=lr)
        one = warning("not_bracketed")
        wider = parse(SearchSettings, arguments_of(one.command))
        assert [wider.low, wider.high, wider.trials] == pytest.approx([low, high, trials])
        assert said in one.text
        assert said or "allowed" not in one.text

    def test_goes_lower_if_everything_diverged(self, experiment: str) -> None:
        study = log_study(experiment, "search", optimizer="adam", low="1e-4", high="1e9", trials="3", hidden="8")
        log_training(experiment, {"val_loss": [2.3, math.nan]}, parent=study, lr="1363.25")
        lower = parse(SearchSettings, arguments_of(warning("all_diverged").command))
        assert [lower.low, lower.high] == pytest.approx([1e-6, 1e9])


class TestTheAdviceForAGrid:
    def test_that_has_extended_itself_adds_learning_rates(self, experiment: str) -> None:
        study = log_study(experiment, lrs="0.1,0.01", extend="true", hidden="8", optimizers="adam")
        for lr in ("0.1", "0.01"):
            log_training(experiment, falling(float(lr)), parent=study, lr=lr)
        wider = parse(GridSettings, arguments_of(warning("not_bracketed").command))
        assert wider.lrs == (0.1, 0.0316, 0.01, 0.001, 0.0001)

    def test_goes_lower_if_everything_diverged(self, experiment: str) -> None:
        for lr in ("10", "1e1", "1"):
            log_training(experiment, {"val_loss": [2.3, math.nan]}, lr=lr)
        assert parse(GridSettings, arguments_of(warning("all_diverged").command)).lrs == (10.0, 1.0, 0.1, 0.01)

    def test_has_no_fewer_seeds_than_it_had(self, experiment: str) -> None:
        study = log_study(experiment, lrs="0.1,0.01", seeds="5", hidden="8", optimizers="adam")
        log_training(experiment, falling(0.01), parent=study, lr="0.1")
        for seed in range(5):
            log_training(experiment, falling(0.1), parent=study, lr="0.01", seed=seed)
        assert parse(GridSettings, arguments_of(warning("fewer_seeds").command)).seeds == 5


def test_commands_for_an_experiment_have_its_seeds(experiment: str) -> None:
    for seed in (4, 5, 6):
        log_training(experiment, falling(0.1), seed=seed)
    (one,) = [one for one in summary()["warnings"] if one["code"] == "not_bracketed"]
    wider = parse(GridSettings, arguments_of(one["command"]))
    assert (wider.extend, wider.seed, wider.seeds) == (True, 4, 3)


def test_commands_for_trainings_whose_seeds_were_not_logged_begin_at_0(experiment: str) -> None:
    run = log_training(experiment, falling(0.1))
    with closing(sqlite3.connect("mlflow.db")) as database:
        database.execute("delete from params where run_uuid = ? and key = 'seed'", (run,))
        database.commit()
    (one,) = [one for one in summary()["warnings"] if one["code"] == "not_bracketed"]
    assert parse(GridSettings, arguments_of(one["command"])).seed == 0
