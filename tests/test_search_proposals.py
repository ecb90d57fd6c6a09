"""The learning rates that a search proposes, the results that it tells Optuna, and its best trial."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from optuna.trial import TrialState

from lrstudy.settings import SearchSettings, TrainSettings
from lrstudy.study.optuna_study import study_file
from lrstudy.study.search import PRUNERS, SAMPLERS, Search
from lrstudy.study.trial_result import PRUNED, best_of, reason_without_best
from lrstudy.training.epoch import Epoch
from made_trials import done


def test_the_settings_name_the_samplers_and_pruners_that_there_are() -> None:
    declared = SearchSettings.model_json_schema()["properties"]
    assert declared["sampler"]["enum"] == list(SAMPLERS)
    assert declared["pruner"]["enum"] == list(PRUNERS)


def bowl(lr: float) -> float:
    """A validation loss whose lowest point is at 0.1."""
    return 0.1 + (math.log10(lr) + 1) ** 2


def proposed(settings: SearchSettings, concurrency: int, late: bool) -> list[tuple[str, float]]:
    """Return the proposals of a search whose trials end in the order in which they began, or as `late` as they may."""
    found: list[TrainSettings] = []
    open_trials: list[int] = []
    with study_file("auto", "it") as file:
        search = Search(settings, file, concurrency)
        while len(found) < search.planned or open_trials:
            while len(open_trials) < concurrency and (training := search.propose()) is not None:
                open_trials.append(len(found))
                found.append(training)
            ended = open_trials.pop(-1 if late else 0)
            search.tell(done(ended, found[ended], bowl(found[ended].lr)))
        assert search.propose() is None
    return [(training.optimizer, training.lr) for training in found]


def remarks(settings: SearchSettings) -> list[str]:
    """Return what a search says at its end."""
    with study_file("auto", "it") as file:
        search = Search(settings, file, 1)
        for number in range(search.planned):
            training = search.propose()
            assert training is not None
            search.tell(done(number, training, bowl(training.lr)))
        return search.finish()


class TestWhatASearchProposes:
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_lies_between_low_and_high_and_is_spread_over_the_decades(self, sampler: str) -> None:
        settings = SearchSettings(optimizer="sgd", sampler=sampler, trials=12, low=1e-4, high=1.0)
        lrs = [lr for _, lr in proposed(settings, 2, late=False)]
        assert len(set(lrs)) == 12
        assert all(1e-4 <= lr <= 1 for lr in lrs)
        assert min(lrs) < 1e-2 < max(lrs)

    @pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
    def test_does_not_depend_on_which_worker_was_faster_or_how_many_there_are(self, sampler: str) -> None:
        # More than the ten that TPE draws at random before it looks at results.
        settings = SearchSettings(optimizer="sgd", sampler=sampler, trials=24)
        alone = proposed(settings, 1, late=False)
        assert proposed(settings, 2, late=True) == alone
        assert proposed(settings, 3, late=True) == alone

    def test_is_the_same_at_first_when_more_trials_are_asked_for(self) -> None:
        few, many = (proposed(SearchSettings(optimizer="sgd", trials=n), 2, late=False) for n in (14, 20))
        assert many[:14] == few

    def test_comes_closer_to_the_best_learning_rate_with_tpe(self) -> None:
        lrs = [lr for _, lr in proposed(SearchSettings(optimizer="sgd", trials=40), 2, late=False)]
        assert sum(abs(math.log10(lr) + 1) < 0.5 for lr in lrs[-15:]) > 4  # 2.5 of 15 by chance

    @pytest.mark.parametrize("sampler", ["tpe", "gp"])
    @pytest.mark.parametrize("trials", [3, 10])
    def test_covers_the_whole_range_at_first_and_differently_for_each_optimizer(
        self, sampler: str, trials: int
    ) -> None:
        settings = SearchSettings(trials=trials, sampler=sampler, low=1e-6, high=1.0)
        by_optimizer: dict[str, list[float]] = {}
        for optimizer, lr in proposed(settings, 2, late=False):
            by_optimizer.setdefault(optimizer, []).append(lr)
        for lrs in by_optimizer.values():
            points = [-6.0, *sorted(map(math.log10, lrs)), 0.0]
            assert len(lrs) == trials
            assert max(after - before for before, after in pairwise(points)) < 2 * 6 / trials
        assert len({lr for lrs in by_optimizer.values() for lr in lrs}) == 4 * trials

    def test_differs_between_optimizers_when_it_is_random(self) -> None:
        lrs = [lr for _, lr in proposed(SearchSettings(trials=3, sampler="random"), 2, late=False)]
        assert len(set(lrs)) == 12

    @pytest.mark.parametrize(("low", "high"), [(1e-300, 1e30), (0.1, 0.1 + 1e-15)])
    def test_stays_within_any_range(self, low: float, high: float) -> None:
        lrs = [lr for _, lr in proposed(SearchSettings(optimizer="sgd", trials=3, low=low, high=high), 2, late=False)]
        assert all(low * (1 - 1e-5) <= lr <= high * (1 + 1e-5) for lr in lrs)

    @pytest.mark.parametrize(("optimizer", "few", "enough"), [("sgd", 13, 14), ("all", 10, 11)])
    def test_reports_that_nothing_was_adapted_if_all_were_drawn_before_enough_results(
        self, optimizer: str, few: int, enough: int
    ) -> None:
        (sentence,) = remarks(SearchSettings(optimizer=optimizer, trials=few))
        assert sentence.startswith(f"nothing was adapted to results: the {few} learning rates of each optimizer cover")
        assert f"the range from 1e-05 to 10 evenly; with more than {few} trials" in sentence
        assert f"trials={2 * few}" in sentence
        assert remarks(SearchSettings(optimizer=optimizer, trials=enough)) == []
        assert remarks(SearchSettings(optimizer=optimizer, trials=few, sampler="random")) == []

    def test_is_a_budget_of_the_same_size_for_each_of_the_four(self) -> None:
        optimizers = [name for name, _ in proposed(SearchSettings(trials=5), 2, late=False)]
        assert {name: optimizers.count(name) for name in optimizers} == dict.fromkeys(
            ("sgd", "rmsprop", "adagrad", "adam"), 5
        )


class TestWhatOptunaIsTold:
    def test_a_diverged_trial_is_bad_and_finite_and_a_crash_is_a_failure(self) -> None:
        settings = SearchSettings(optimizer="sgd", trials=3)
        with study_file("auto", "it") as file:
            search = Search(settings, file, 3)
            trainings = [search.propose() for _ in range(3)]
            assert all(trainings)
            for number, (loss, verdict) in enumerate([(0.2, "diverged"), (math.inf, ""), (2.0, "collapsed")]):
                training = trainings[number]
                assert training is not None
                search.tell(done(number, training, loss, verdict))
            search.finish()
            diverged, crashed, collapsed = file.storage.get_all_trials(0)
        assert diverged.state is collapsed.state is TrialState.COMPLETE
        assert crashed.state is TrialState.FAIL
        assert diverged.value == pytest.approx(2 * math.log(10))
        assert diverged.value is not None
        assert collapsed.value == 2.0
        assert diverged.user_attrs["verdict"] == "diverged"

    def test_neither_a_diverged_nor_a_pruned_trial_is_the_best(self) -> None:
        trials = [
            done(0, TrainSettings(), 0.1, "diverged"),
            done(1, TrainSettings(), 0.2, PRUNED),
            done(2, TrainSettings(), 0.9),
        ]
        assert best_of(trials) == trials[2]
        assert best_of(trials[:2]) is None

    @pytest.mark.parametrize("pruner", [name for name in PRUNERS if name != "none"])
    def test_every_pruner_stops_a_trial_that_is_far_worse_than_the_others(self, pruner: str) -> None:
        settings = SearchSettings(optimizer="sgd", trials=30, pruner=pruner, epochs=20)
        stopped = []
        with study_file("auto", "it") as file:
            search = Search(settings, file, 1)
            for number in range(30):
                training = search.propose()
                assert training is not None
                bad = number % 3 == 2
                losses = [2.3 if bad else 2.3 / (epoch + 1) for epoch in range(21)]
                reports = (
                    search.verdict_to_stop(number, Epoch(n, loss, 0.5, loss, 0.5, 1.0, 0.1))
                    for n, loss in enumerate(losses)
                )
                pruned = any(reports)
                stopped += [number] * pruned
                ended = done(number, training, min(losses), PRUNED if pruned else "good")
                search.tell(ended if pruned else replace(ended, curve=tuple(enumerate(losses))))
            search.finish()
            states = [trial.state for trial in file.storage.get_all_trials(0)]
        assert any(number % 3 == 2 for number in stopped)
        assert [state is TrialState.PRUNED for state in states] == [number in stopped for number in range(30)]


def test_the_error_of_a_study_without_a_trained_trial_has_counts_and_a_lower_learning_rate() -> None:
    diverged = [done(number, TrainSettings(lr=lr), 2.0, "diverged") for number, lr in enumerate((100.0, 1363.25))]
    pruned = done(2, TrainSettings(), 0.2, PRUNED)
    failed = replace(done(3, TrainSettings(lr=0.5), verdict=""), reason="RuntimeError: no memory")
    assert reason_without_best(diverged) == (
        "none of the 2 trainings trained: 2 diverged; try learning rates below 100."
    )
    assert reason_without_best([*diverged, pruned, failed]) == (
        "none of the 4 trainings trained: 2 diverged, 1 pruned and 1 failed (RuntimeError: no memory); "
        "try learning rates below 100."
    )
    assert reason_without_best([pruned]) == "the only training failed: 1 pruned."
