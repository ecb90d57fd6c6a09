"""The entry point `decide`: which trainings it proposes, when it ends, and what a user sees."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from lrstudy.settings import DecideSettings, TrainSettings
from lrstudy.statistics.outcomes import Cell, Outcomes
from lrstudy.statistics.race import standing
from lrstudy.study.budget import TimeBudget, TrainingsBudget
from lrstudy.study.decide import Decide
from lrstudy.study.decision_lengths import chance_of_sure_answer
from lrstudy.study.optuna_study import study_file
from lrstudy.study.pilot import MAX_DOUBLINGS, Pilot, run_pilot, still_falls
from lrstudy.study.run_decision import format_minutes
from lrstudy.study.trial_outcomes import outcome_of
from lrstudy.study.trial_result import TrialResult
from lrstudy.training_steps import suitable_batch_size, suitable_epochs
from made_trials import done
from studies import run_study, studies, trainings

SETTINGS = DecideSettings(epochs=5, batch_size=64)
# The best learning rates of made optimizers, and their losses there.
BASINS = {"sgd": (0.3, 0.12), "rmsprop": (0.001, 0.1), "adagrad": (0.03, 0.2), "adam": (0.003, 0.15)}


class Decision:
    def __init__(self, trainings: list[TrainSettings], decide: Decide, outcomes: Outcomes) -> None:
        self.trainings = trainings
        self.decide = decide
        self.outcomes = outcomes
        self.cells = [(training.optimizer, training.lr, training.seed) for training in trainings]


def loss_of(cell: Cell) -> float:
    """Return a validation loss with a lowest point per optimizer."""
    lr, lowest = BASINS[cell.optimizer]
    return lowest * math.exp(2 * math.log10(cell.lr / lr) ** 2)


def loss(training: TrainSettings) -> float:
    """Return the loss of a training's cell with noise that the seed and the cell decide."""
    noise = np.random.default_rng([training.seed, round(1e9 * training.lr)]).normal(0, 0.05)
    return loss_of(Cell(training.optimizer, training.lr)) * math.exp(noise)


def decided(at_once: int = 3, late: bool = False, limit: int = 400) -> Decision:
    """Return a decision whose trainings end in the order in which they began, or as `late` as they may."""
    found: list[TrainSettings] = []
    running: list[int] = []
    with study_file("auto", "it") as file:
        decide = Decide(SETTINGS, file, window=4, budget=TrainingsBudget(limit))
        results = []
        while True:
            while len(running) < at_once and (training := decide.propose()) is not None:
                running.append(len(found))
                found.append(training)
            if not running:
                break
            ended = running.pop(-1 if late else 0)
            results.append(done(ended, found[ended], loss(found[ended])))
            decide.tell(results[-1])
    return Decision(found, decide, Outcomes(map(outcome_of, results)))


class TestTheTrainingsOfADecision:
    def test_do_not_depend_on_how_many_run_at_a_time_or_which_is_faster(self) -> None:
        alone = decided(at_once=1)
        assert alone.decide.sure
        assert decided(at_once=3).cells == alone.cells
        assert decided(at_once=3, late=True).cells == alone.cells

    def test_surround_each_optimizers_best_learning_rate_at_half_a_decade(self) -> None:
        tried = {Cell(*cell[:2]) for cell in decided().cells}
        for optimizer, around in {
            "sgd": (0.1, 0.316, 1.0),
            "rmsprop": (0.000316, 0.001, 0.00316),
            "adagrad": (0.01, 0.0316, 0.1),
            "adam": (0.001, 0.00316, 0.01),
        }.items():
            assert {Cell(optimizer, lr) for lr in around} <= tried

    def test_are_none_twice_and_have_the_same_seeds_in_each_cell(self) -> None:
        cells = decided().cells
        assert len(cells) == len(set(cells))
        for optimizer, lr, _ in cells:
            seeds = [seed for name, rate, seed in cells if (name, rate) == (optimizer, lr)]
            assert sorted(seeds) == list(range(len(seeds)))

    def test_end_with_seeds_of_the_best_cell(self) -> None:
        decision = decided()
        best = standing(decision.outcomes, SETTINGS.delta, SETTINGS.confidence)
        assert best.sure
        assert best.best is not None
        assert loss_of(best.best) < 1.05 * min(map(loss_of, decision.outcomes.cells))
        assert len(decision.outcomes.of(best.best)) >= 3

    def test_are_the_same_at_first_with_a_larger_budget(self) -> None:
        few, many = decided(limit=15), decided(limit=25)
        assert few.decide.exhausted
        assert not few.decide.sure
        assert few.cells == many.cells[:15]
        assert re.search(r"the same command with trainings=\d+ continues", few.decide.finish()[0])

    def test_do_not_claim_how_many_are_missing_while_each_cell_has_one_seed(self) -> None:
        (sentence,) = decided(limit=4).decide.finish()
        assert "is not known yet: the same command with trainings=8 continues" in sentence

    def test_do_not_make_sure_what_is_sure_of_the_cells_tried(self) -> None:
        with study_file("auto", "it") as file:
            decide = Decide(SETTINGS.model_copy(update={"optimizers": ("adam",)}), file, 1, TrainingsBudget(8))
            results: list[TrialResult] = []
            while (training := decide.propose()) is not None:
                # The lowest learning rate is always clearly the best.
                results.append(done(len(results), training, 10 * training.lr**0.5 * (1 + training.seed / 1e6)))
                decide.tell(results[-1])
            for seed in (1, 2):
                best = min((result.specification.settings for result in results), key=lambda one: one.lr)
                decide._results[len(results)] = done(
                    len(results), best.model_copy(update={"seed": seed}), 10 * best.lr**0.5
                )
                results.append(decide._results[len(results)])
        assert not decide.sure
        assert "had others tried beside them" in decide.finish()[0]

    def test_go_down_where_all_of_an_optimizer_fail(self) -> None:
        with study_file("auto", "it") as file:
            decide = Decide(SETTINGS.model_copy(update={"optimizers": ("adam",)}), file, 4, TrainingsBudget(30))
            tried: list[float] = []
            while (training := decide.propose()) is not None:
                verdict = "diverged" if training.lr > 2e-5 else "good"
                decide.tell(done(len(tried), training, loss(training), verdict))
                tried.append(training.lr)
        assert min(tried) < 2e-5


class TestATimeBudget:
    def test_allows_a_training_that_will_have_ended_before_the_deadline(self) -> None:
        clock = iter([0.0, 3.0, 3.0, 7.0]).__next__
        budget = TimeBudget(minutes=1.0, deadline=10.0, seconds=5.0, at_once=1, now=clock)
        budget.on_started(0)
        budget.on_ended(0, whole=True)  # after 3 seconds, which is now what a training takes
        assert budget.allows(1)
        assert budget.allows(2)
        budget.now = lambda: 7.1
        assert not budget.allows(3)

    @pytest.mark.parametrize(("trainings", "setting"), [(4, "minutes=3"), (60, "minutes=6")])
    def test_continues_for_the_time_of_the_further_trainings_but_for_no_shorter_time_than_now(
        self, trainings: int, setting: str
    ) -> None:
        budget = TimeBudget(minutes=3.0, deadline=100.0, seconds=10.0, at_once=2, now=lambda: 0.0)
        assert budget.enlarged(trainings) == setting

    def test_learns_nothing_from_a_training_that_was_reused_or_stopped(self) -> None:
        budget = TimeBudget(minutes=1.0, deadline=10.0, seconds=5.0, at_once=1, now=lambda: 6.0)
        budget.on_started(0)
        budget.on_ended(0, whole=False)
        assert not budget.allows(1)


@pytest.mark.parametrize(
    ("images", "batch_size", "epochs"),
    [(40, 8, 100), (350, 32, 91), (1257, 64, 50), (50_000, 256, 10)],
)
def test_batch_size_and_epochs_give_enough_steps(images: int, batch_size: int, epochs: int) -> None:
    assert suitable_batch_size(images) == batch_size
    assert suitable_epochs(images, batch_size) == epochs


def test_a_loss_still_falls_if_its_last_quarter_lowers_it_by_more_than_matters() -> None:
    assert still_falls([2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.8, 0.6, 0.5], 0.05)
    assert not still_falls([2.0, 1.0, 0.6, 0.5, 0.5, 0.5, 0.49, 0.49, 0.49], 0.05)
    assert not still_falls([2.0, 1.0, 0.6, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 0.05)


def test_a_pilot_doubles_the_epochs_of_its_trainings_while_the_loss_falls() -> None:
    lengths: list[int] = []

    def train(settings: TrainSettings) -> TrialResult:
        """Train down to a loss of 0.5, at the 40th epoch."""
        lengths.append(settings.epochs)
        losses = [max(0.5, 2.0 - 1.5 * epoch / 40) for epoch in range(settings.epochs + 1)]
        return replace(done(0, settings, min(losses)), curve=list(enumerate(losses)))

    pilot = run_pilot(TrainSettings(epochs=20), 0.05, MAX_DOUBLINGS, train)
    assert (lengths, pilot) == ([20, 40, 80], Pilot(80, still_falls=False))
    assert run_pilot(TrainSettings(epochs=15), 0.05, 1, train) == Pilot(30, still_falls=True)


def test_more_trainings_and_a_larger_delta_make_a_sure_answer_likelier() -> None:
    by_trainings = [chance_of_sure_answer(trainings, 0.05, 4)[0] for trainings in (1, 50, 100, 1000)]
    by_delta = [chance_of_sure_answer(60, delta, 4)[0] for delta in (0.001, 0.02, 0.035, 0.05, 0.1, 0.5)]
    assert by_trainings == sorted(by_trainings)
    assert by_delta == sorted(by_delta)
    assert by_trainings[0] == 0 < by_trainings[1] < by_trainings[-1] <= 1
    assert by_delta[0] < by_delta[-1]
    assert chance_of_sure_answer(60, 0.05, 2) == chance_of_sure_answer(120, 0.05, 4)
    assert [chance_of_sure_answer(60, delta, 4)[1] for delta in (0.001, 0.03, 0.5)] == [0.02, 0.03, 0.1]


def test_epochs_are_chosen_longer_than_the_warmup() -> None:
    chosen = DecideSettings(warmup=55).with_steps_for(1257)
    assert chosen.epochs == 110
    assert {training.epochs for training in chosen.examples()} == {110}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--minutes", "0"), "error: minutes='0' must be a finite number greater than 0"),
        (("--delta", "0"), "error: delta='0' must be a finite number greater than 0"),
        (("--confidence", "1"), "error: confidence='1' must be"),
        (("--trainings", "3"), "error: trainings='3' is fewer than one for each of the optimizers, sgd, rmsprop,"),
        (("--warmup", "1e9"), "error: warmup='1000000000' is too long for epochs=auto; use at most 125000000"),
        (("--optimizers", "adam,adam"), "error: optimizers='adam,adam' has a duplicate value, 'adam'"),
    ],
)
def test_invalid_settings_are_rejected_in_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    ended = run_study("decide", *arguments)
    assert ended.returncode == 2
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1


@pytest.mark.slow
class TestTheCommand:
    def test_trains_what_is_missing_and_nothing_twice(self, tracking_uri: str) -> None:
        arguments = ("--optimizers", "adam,adagrad", "--epochs", "2", "--workers", "2")
        first = run_study("decide", *arguments, "--trainings", "4")
        assert first.returncode == 0, first.stderr
        assert "batch_size=64: 20 steps per epoch of 1,257 images" in first.stdout
        assert "The budget is spent" in first.stdout
        assert "the best so far; trainings=8 would allow 8.\n" in first.stderr
        assert len(trainings()) == 4
        again = run_study("decide", *arguments, "--trainings", "6")
        assert again.returncode == 0, again.stderr
        assert again.stdout.count("reused") == 4
        assert len(trainings()) == 6
        keys = {run.data.tags["lrstudy.key"] for run in trainings()}
        assert len(keys) == 6
        assert [run.data.tags["lrstudy.kind"] for run in studies()] == ["decide", "decide"]
        params = studies()[0].data.params
        assert (params["chosen.epochs"], params["chosen.batch_size"]) == ("2", "64")

    def test_keeps_its_pilot_and_its_epochs(self, tracking_uri: str) -> None:
        arguments = ("--optimizers", "adam", "--batch-size", "600", "--hidden", "8", "--delta", "1")
        first = run_study("decide", *arguments, "--trainings", "1")
        assert first.returncode == 0, first.stderr
        assert "epochs=100: 300 steps per training; at its end, the validation loss of adam at 0.001" in first.stdout
        (pilot,) = trainings()
        assert pilot.data.params["epochs"] == "100"
        assert studies()[0].data.params["chosen.epochs"] == "100"
        again = run_study("decide", *arguments, "--trainings", "2")
        assert again.returncode == 0, again.stderr
        assert "epochs=100, as an earlier start of this decision has chosen" in again.stdout
        assert len(trainings()) == 2
        assert len({run.data.tags["lrstudy.key"] for run in trainings()}) == 2

    def test_repeats_over_splits_and_says_whether_the_answer_depends_on_them(self, tracking_uri: str) -> None:
        arguments = ("--optimizers", "adam", "--epochs", "1", "--trainings", "8", "--splits", "2")
        ended = run_study("decide", *arguments)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.splitlines()[-1].startswith(("The answer depends on", "The answer does not depend on"))
        assert {run.data.params["split_seed"] for run in studies()} == {"0", "1"}
        assert len(trainings()) == 8

    def test_too_short_a_time_is_an_error_with_one_that_would_do(self, tracking_uri: str) -> None:
        ended = run_study("decide", "--epochs", "50", "--batch-size", "16", "--minutes", "0.01")
        assert ended.returncode == 2
        assert re.match(r"error: minutes='0.01' is too short .* use minutes=", ended.stderr.splitlines()[-1])

    def test_too_short_a_time_is_found_before_the_pilot(self, tracking_uri: str) -> None:
        ended = run_study("decide", "--batch-size", "1", "--minutes", "0.2")
        assert ended.returncode == 2
        assert re.match(
            r"error: minutes='0.2' is too short for a pilot and a training of each of the 4 ",
            ended.stderr.splitlines()[-1],
        )
        assert "epochs=" not in ended.stdout


def test_minutes_that_would_do_are_rounded_up() -> None:
    assert [format_minutes(seconds) for seconds in (0.06, 48.0, 425.0, 7200.0, 12345.0)] == [
        *("0.001", "0.8", "7.1", "120", "210"),
    ]
