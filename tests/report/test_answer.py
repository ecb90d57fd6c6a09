"""The answer of a group: a recommendation only where a training learned and converged, and the answer is sure."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from lrstudy.answer.state import AnswerState
from lrstudy.report.answer import AnswerText, answer_state, make_answer
from lrstudy.report.cells import Cell, Group, Training
from lrstudy.report.comparison import Comparison
from lrstudy.report.heat_map_table import heat_map_table
from lrstudy.report.runs import Curve, Run
from lrstudy.statistics.cell_summary import Status

# 75 validation images in ten classes: guessing is right for 8 of them, 10.7%; three standard errors more are 21.4%.
TEN_CLASSES = {str(number): 8 if number < 5 else 7 for number in range(10)}
SETTINGS = {"epochs": "10", "batch_size": "256", "data": "photos"}


def cell(
    verdict: str, loss: float, accuracy: float, *, optimizer: str = "adam", lr: float = 0.001, seeds: int = 1
) -> Cell:
    """A cell of trainings of ten epochs, with the lowest loss at the seventh; each seed's is 1% above the last's."""
    trainings = [training(verdict, loss * 1.01**seed, accuracy, optimizer, lr, seed) for seed in range(seeds)]
    return Cell(optimizer, lr, f"{lr}", tuple(trainings))


def cell_of(verdicts: Sequence[str], lr: float) -> Cell:
    """A cell of trainings with the same loss and these verdicts."""
    trainings = [training(verdict, 0.5, 0.9, "adam", lr, seed) for seed, verdict in enumerate(verdicts)]
    return Cell("adam", lr, f"{lr}", tuple(trainings))


def training(verdict: str, loss: float, accuracy: float, optimizer: str, lr: float, seed: int) -> Training:
    epochs = np.arange(11)
    losses = [*np.linspace(2.303, loss, 8), loss + 0.1, loss + 0.2, loss + 0.3]
    curves = {
        "val_loss": Curve(epochs, np.array(losses)),
        "train_loss": Curve(epochs, np.array(losses)),
        "val_accuracy": Curve(epochs, np.full(11, accuracy)),
    }
    params = {**SETTINGS, "optimizer": optimizer, "lr": f"{lr}", "seed": f"{seed}"}
    tags = {"lrstudy.kind": "train", "lrstudy.verdict": verdict}
    images = {"train": 350, "validation": 75, "test": 75}
    metrics = {"best/val_balanced_accuracy": accuracy / 2}
    run = Run(f"{optimizer} {lr}", "run", "FINISHED", 0, params, metrics, tags, "", images, curves)
    return Training(run, f"{seed}")


def answered(
    *cells: Cell, counts: Mapping[str, int] = TEN_CLASSES, study: Run | None = None, **settings: str
) -> tuple[AnswerState, AnswerText]:
    comparison = Comparison(Group({**SETTINGS, **settings}, cells, {}), counts)
    state = answer_state(comparison, study)
    return state, make_answer(comparison, state, study)


def study(status: str) -> Run:
    params = {**SETTINGS, "optimizers": "adam", "lrs": "0.01,0.001", "hidden": "256,128,64", "seeds": "1"}
    return Run("study", "grid", status, 0, params, {}, {"lrstudy.kind": "grid"})


def test_where_no_accuracy_is_above_guessing_nothing_is_recommended_and_more_steps_are() -> None:
    state, answer = answered(cell("too slow", 2.25, 0.2), cell("overfits", 2.29, 0.12, lr=0.01))
    assert state == "nothing_learned"
    assert answer.headline == "No training learned"
    assert answer.sentences[0] == "First, try batch_size=32 and epochs=50: each training had 20 steps."
    assert answer.command is not None
    assert "-P batch_size=32" in answer.command
    assert "-e grid" in answer.command
    # 50 epochs are the default and need not be typed.
    assert "epochs=10" not in answer.command
    assert "20.0% of adam 0.001, is not above 21.4%" in answer.sentences[1]


@pytest.mark.parametrize(("largest", "shown"), [(15, False), (16, True)])
def test_balanced_accuracy_is_shown_where_the_largest_class_has_more_than_twice_the_mean(
    largest: int, shown: bool
) -> None:
    counts = {"large": largest, **{str(number): (75 - largest) // 9 for number in range(9)}}
    counts["0"] += 75 - sum(counts.values())
    _, answer = answered(cell("good", 0.4, 0.9), cell("good", 0.5, 0.8, lr=0.01), counts=counts)
    assert ("its validation accuracy 90.0%, its balanced accuracy 45.0%" in " ".join(answer.sentences)) == shown


def test_where_nothing_learned_in_many_steps_other_learning_rates_are_advised() -> None:
    cells = (cell("too slow", 2.30, 0.1), cell("collapsed", 2.31, 0.1, lr=0.1))
    state, answer = answered(*cells, batch_size="8")
    assert state == "nothing_learned"
    assert answer.sentences[0] == (
        "First, try learning rates beyond those tried, lrs=1,0.01,0.0001, or another network: each training had 440 "
        "steps."
    )
    assert answer.command is not None
    assert "lrs=1,0.01,0.0001" in answer.command


def test_a_best_cell_that_learned_but_has_not_converged_is_the_best_so_far() -> None:
    state, answer = answered(cell("too slow", 1.9, 0.25), cell("unstable", 2.1, 0.25, lr=0.1))
    assert state == "not_converged"
    assert answer.headline == "adam with a learning rate of 0.001 is the best so far, not converged"
    assert answer.sentences[0].startswith("First, train longer, with batch_size=32 and epochs=50: it was still")
    assert answer.command is not None
    assert "batch_size=32" in answer.command


def test_with_enough_steps_a_slow_best_cell_needs_more_epochs() -> None:
    cells = (cell("too slow", 1.9, 0.25), cell("unstable", 2.1, 0.25, lr=0.1))
    _, answer = answered(*cells, batch_size="8")
    assert answer.sentences[0].startswith("First, train longer, with epochs=20:")


def test_an_unstable_best_cell_needs_a_lower_learning_rate() -> None:
    state, answer = answered(cell("unstable", 1.9, 0.4, lr=0.1), cell("too slow", 2.2, 0.12))
    assert state == "not_converged"
    assert answer.sentences[0] == "First, try lower learning rates, 0.0316 and 0.01: this one is unstable."
    assert answer.command is not None
    assert "lrs=0.0316,0.01" in answer.command


def test_learning_rates_that_were_tried_are_not_advised() -> None:
    _, answer = answered(cell("unstable", 1.9, 0.4, lr=0.1), cell("too slow", 2.2, 0.12, lr=0.03))
    assert answer.sentences[0] == "First, try lower learning rates, 0.01 and 0.00316: this one is unstable."
    assert answer.command is not None
    assert "lrs=0.01,0.00316" in answer.command


def test_a_converged_cell_that_learned_and_is_surely_the_best_makes_a_recommendation() -> None:
    state, answer = answered(cell("good", 1.0, 0.6, seeds=3), cell("too slow", 2.2, 0.12, lr=0.0001, seeds=3))
    assert state == "recommended"
    assert answer.headline == "Use adam with a learning rate of 0.001"
    assert answer.sentences[0].startswith("Sure: no other cell tried is better")


@pytest.mark.parametrize("seeds", [1, 2])
def test_below_three_seeds_nothing_is_sure_and_the_command_trains_more(seeds: int) -> None:
    state, answer = answered(cell("good", 1.0, 0.6, seeds=seeds), cell("good", 2.2, 0.5, lr=0.0001, seeds=seeds))
    assert state == "open"
    assert answer.headline == "Open: adam with a learning rate of 0.001 is the best so far"
    assert answer.command is not None
    assert "-e grid" in answer.command
    assert "-P seeds=3" in answer.command


def test_an_open_answer_names_the_cells_that_need_more_seeds_and_how_many() -> None:
    near = [cell("good", 1.0, 0.6, seeds=3), wavering(1.05, lr=0.01)]
    state, answer = answered(*near, cell("good", 9.0, 0.5, lr=0.1, seeds=3))
    assert state == "open"
    (step,) = [sentence for sentence in answer.sentences if sentence.startswith("First, ")]
    found = re.fullmatch(r"First, train (\d+) seeds of adam 0.001 and adam 0.01.", step)
    assert found
    assert f"About {int(found[1]) - 3} more seed" in " ".join(answer.details)
    assert answer.command is not None
    assert "lrs=0.01,0.001" in answer.command
    assert f"seeds={found[1]}" in answer.command


@pytest.mark.parametrize(
    ("seeds", "tags", "budget", "other"),
    [
        (1, {}, "trainings=4", "minutes"),
        (3, {}, r"trainings=\d+", "minutes"),
        (3, {"lrstudy.larger_budget": "minutes=5"}, "minutes=5", "trainings"),
    ],
)
def test_an_open_decision_is_continued_with_the_epochs_and_batch_size_that_it_chose_and_the_budget_that_it_named(
    seeds: int, tags: dict[str, str], budget: str, other: str
) -> None:
    params = {**SETTINGS, "epochs": "auto", "batch_size": "auto", "optimizers": "adam", "minutes": "3"}
    params |= {"chosen.epochs": "63", "chosen.batch_size": "16", "splits": "1"}
    decision = Run("study", "decide", "FINISHED", 0, params, {}, {"lrstudy.kind": "decide", **tags})
    rival = cell("good", 1.01, 0.6, lr=0.01) if seeds == 1 else wavering(1.05, lr=0.01)
    cells = [cell("good", 1.0, 0.6, seeds=seeds), rival]
    state, answer = answered(*cells, study=decision)
    assert state == "open"
    assert answer.sentences[0].startswith("First, continue the decision")
    assert answer.command is not None
    assert re.search(rf"-e decide .*-P epochs=63 -P batch_size=16 -P {budget} ", answer.command)
    assert other not in answer.command


def wavering(loss: float, lr: float) -> Cell:
    """A cell of three seeds whose losses differ by a fifth."""
    trainings = [training("good", loss * factor, 0.6, "adam", lr, seed) for seed, factor in enumerate((1.2, 1.0, 0.85))]
    return Cell("adam", lr, f"{lr}", tuple(trainings))


@pytest.mark.parametrize("verdict", ["too slow", "unstable"])
def test_a_best_cell_that_has_not_converged_is_not_recommended_and_the_best_that_has_is_named(verdict: str) -> None:
    state, answer = answered(cell(verdict, 0.9, 0.7), cell("good", 1.0, 0.6, lr=0.01), cell("good", 1.1, 0.5, lr=0.1))
    assert state == "not_converged"
    assert answer.headline == "adam with a learning rate of 0.001 is the best so far, not converged"
    assert answer.sentences[0].startswith("First, ")
    assert answer.sentences[1] == (
        "adam 0.01 is the best that has converged, with a validation loss of 1 and an accuracy of 60.0%."
    )


@pytest.mark.parametrize("verdict", ["collapsed", "diverged"])
def test_a_cell_with_a_failed_training_is_never_the_best(verdict: str) -> None:
    lottery = cell_of(("good", "good", verdict), lr=0.1)
    state, answer = answered(lottery, cell("good", 1.0, 0.6, seeds=3), cell("good", 1.5, 0.5, lr=0.0001, seeds=3))
    assert (state, answer.headline) == ("recommended", "Use adam with a learning rate of 0.001")
    assert "Not recommended, since a training diverged or collapsed: adam 0.1." in answer.details


def test_where_each_cell_has_a_failed_training_lower_learning_rates_are_advised() -> None:
    state, answer = answered(*(cell_of(("good", "collapsed"), lr) for lr in (0.1, 0.01)))
    assert state == "all_failed"
    assert answer.headline == "No learning rate tried can be recommended: in each cell a training failed"
    assert answer.sentences[0] == "First, try lower learning rates, 0.00316 and 0.001."
    assert answer.command is not None
    assert "lrs=0.00316,0.001" in answer.command


def test_a_converged_cell_that_has_not_learned_is_not_named() -> None:
    _, answer = answered(cell("too slow", 1.9, 0.25), cell("overfits", 2.29, 0.12, lr=0.01))
    assert answer.headline.endswith("is the best so far, not converged")
    assert "the best that has converged" not in " ".join(answer.sentences)


def test_a_best_cell_that_overfits_says_when_to_stop() -> None:
    _, answer = answered(cell("overfits", 1.0, 0.6), cell("too slow", 2.2, 0.12, lr=0.0001))
    assert "It overfits: its validation loss is lowest at epoch 7; stop there, with epochs=7." in answer.sentences


def test_a_single_training_is_not_recommended() -> None:
    state, answer = answered(cell("good", 1.0, 0.6))
    assert state == "single"
    assert answer.headline == (
        "adam with a learning rate of 0.001 is the only training: there is nothing to compare it with"
    )
    assert answer.command is not None
    assert "lrs=0.00316,0.001,0.000316" in answer.command


@pytest.mark.parametrize("status", ["RUNNING", "KILLED", "FAILED"])
def test_an_unfinished_study_recommends_nothing(status: str) -> None:
    cells = (cell("good", 1.0, 0.6, seeds=3), cell("good", 1.2, 0.5, lr=0.01, seeds=3))
    state, answer = answered(*cells, study=study(status))
    assert state == "unfinished"
    assert "Use" not in answer.headline
    assert answer.command is not None
    assert "lrs=0.01,0.001" in answer.command
    assert answered(*cells, study=study("FINISHED"))[0] == "recommended"


def test_with_99_percent_in_one_class_a_low_loss_shows_that_it_learned() -> None:
    counts = {"ok": 446, "defect": 4}  # no accuracy is three standard errors above 99.1%; guessing has a loss of 0.051
    pair = cell("good", 0.02, 0.996, seeds=3), cell("good", 0.03, 0.996, lr=0.01, seeds=3)
    assert answered(*pair, counts=counts)[0] == "recommended"
    assert answered(cell("good", 0.045, 0.991), cell("good", 0.05, 0.991, lr=0.01), counts=counts)[0] == (
        "nothing_learned"
    )


def test_without_the_images_per_class_trainings_are_taken_to_have_learned() -> None:
    cells = cell("good", 2.0, 0.1, seeds=3), cell("good", 2.3, 0.1, lr=0.01, seeds=3)
    assert answered(*cells, counts={})[0] == "recommended"


def test_the_best_cell_is_labelled_as_the_state_allows() -> None:
    cells = (cell("too slow", 1.9, 0.25), cell("unstable", 2.1, 0.25, lr=0.1))
    comparison = Comparison(Group(SETTINGS, cells, {}), TEN_CLASSES)
    places = {word: list(heat_map_table(comparison, word).place) for word in ("best", "best so far", "")}
    assert places == {"best": [", best", ""], "best so far": [", best so far", ""], "": ["", ""]}


class TestTheKindOfALearningRate:
    def kinds(self, *cells: Cell) -> list[str]:
        comparison = Comparison(Group(SETTINGS, cells, {}))
        return [comparison.kind(one) for one in cells]

    def test_is_never_low_for_the_best_cell(self) -> None:
        assert self.kinds(cell("too slow", 1.9, 0.25), cell("too slow", 2.1, 0.2, lr=0.0001)) == ["good", "low"]

    def test_is_never_low_above_the_best_of_its_optimizer(self) -> None:
        assert self.kinds(cell("good", 1.0, 0.6), cell("too slow", 2.3, 0.1, lr=0.1)) == ["good", "high"]

    def test_is_low_for_a_slow_optimizer_whose_best_is_the_highest_tried(self) -> None:
        slow = cell("too slow", 2.2, 0.2, optimizer="sgd", lr=0.1), cell("too slow", 2.3, 0.1, optimizer="sgd", lr=0.01)
        assert self.kinds(cell("good", 1.0, 0.6), *reversed(slow)) == ["good", "low", "low"]


class TestCellsOfKnownTruth:
    """Twelve cells whose log losses differ by chance alone: 0.1 for what a seed adds to all cells, 0.15 beside it."""

    def drawn(self, rng: np.random.Generator, seeds: int, worse: float = 0.0) -> Comparison:
        """Return the comparison of twelve cells, the last of which is worse by that in log units."""
        logs = -1 + 0.1 * rng.standard_normal(seeds) + 0.15 * rng.standard_normal((12, seeds))
        logs[-1] += worse
        cells = [
            Cell("adam", lr, f"{lr}", tuple(training("good", loss, 0.9, "adam", lr, seed) for seed, loss in losses))
            for lr, losses in ((10.0**-place, list(enumerate(np.exp(row)))) for place, row in enumerate(logs))
        ]
        return Comparison(Group(SETTINGS, tuple(cells), {}), {})

    def test_are_seldom_called_surely_worse(self) -> None:
        rng = np.random.default_rng(1)
        claims = [any(map(self.is_worse(one), one.group.cells)) for one in (self.drawn(rng, 3) for _ in range(100))]
        assert sum(claims) <= 10, "5% are allowed: chance makes 11 of 100 in one case of a hundred"

    def test_one_that_is_much_worse_is_caught(self) -> None:
        rng = np.random.default_rng(2)
        studies = [self.drawn(rng, 3, worse=1.0) for _ in range(20)]
        assert sum(self.is_worse(one)(one.group.cells[-1]) for one in studies) >= 18

    @pytest.mark.parametrize("seeds", [1, 2])
    def test_below_three_seeds_are_never_recommended(self, seeds: int) -> None:
        rng = np.random.default_rng(3)
        assert {answer_state(self.drawn(rng, seeds, worse=-3.0), None) for _ in range(20)} == {AnswerState.OPEN}

    def is_worse(self, comparison: Comparison) -> Callable[[Cell], bool]:
        return lambda cell: comparison.status(cell) is Status.WORSE
