"""The end of a grid or a search: its best cell only where one learned and converged, and how sure that is."""

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

import made_trials
from lrstudy.settings import TrainSettings
from lrstudy.study.conclusion import conclude
from lrstudy.study.display import result_table
from lrstudy.study.trial_result import TrialResult
from lrstudy.training.specification import TrialSpecification

# 75 validation images in ten equal classes: an accuracy above 20.4% shows that a network has learned.
DATA = replace(
    made_trials.DATA, name="photos", image_shape=(64, 64, 3), split_sizes={"train": 350, "validation": 75, "test": 75}
)
CONTEXT = replace(made_trials.CONTEXT, data=DATA)


def trial(lr: float, verdict: str, loss: float, accuracy: float, batch_size: int = 256, seed: int = 0) -> TrialResult:
    settings = TrainSettings(optimizer="adam", lr=lr, epochs=10, batch_size=batch_size, seed=seed)
    return trial_of(settings, verdict, loss, accuracy)


def trial_of(settings: TrainSettings, verdict: str, loss: float, accuracy: float) -> TrialResult:
    number = hash((settings.optimizer_label, settings.lr, settings.hidden, settings.seed))
    return TrialResult(number, TrialSpecification(settings, CONTEXT, {}), f"{settings.lr}", loss, accuracy, verdict)


def cell(lr: float, losses: Sequence[float], accuracy: float = 0.6, verdict: str = "good") -> list[TrialResult]:
    """The trials of a cell, one per seed."""
    return [trial(lr, verdict, loss, accuracy, seed=seed) for seed, loss in enumerate(losses)]


def table(results: list[TrialResult]) -> str:
    text = StringIO()
    Console(file=text, width=120).print(result_table(results, conclude(results)))
    return text.getvalue()


def test_where_nothing_learned_no_trial_is_the_best() -> None:
    results = [trial(0.001, "too slow", 2.25, 0.2), trial(0.1, "overfits", 2.29, 0.1)]
    assert conclude(results).headline == "No training learned"
    assert conclude(results).sentences == ("First, try batch_size=32 and epochs=50: each training had 20 steps.",)
    assert "best" not in table(results)


def test_where_nothing_that_learned_converged_the_best_is_the_best_so_far() -> None:
    results = [trial(0.001, "too slow", 1.9, 0.25), trial(0.1, "unstable", 2.1, 0.25)]
    conclusion = conclude(results)
    assert conclusion.headline == "adam with a learning rate of 0.001 is the best so far, not converged"
    assert conclusion.sentences[0] == (
        "First, train longer, with batch_size=32 and epochs=50: it was still improving when its epochs ran out."
    )
    assert "the best that has converged" not in " ".join(conclusion.sentences)
    assert "best so far" in table(results)


def test_where_the_best_has_not_converged_the_best_that_has_is_named() -> None:
    results = [trial(0.001, "unstable", 0.9, 0.7), trial(0.01, "good", 1.0, 0.6), trial(0.1, "overfits", 1.1, 0.5)]
    assert conclude(results).sentences[:2] == (
        "First, try lower learning rates, 0.000316 and 0.0001: this one is unstable.",
        "adam 0.01 is the best that has converged, with a validation loss of 1.0000 and an accuracy of 60.0%.",
    )
    assert "best so far" in table(results)


@pytest.mark.parametrize(
    ("verdict", "advice"),
    [
        ("too slow", "train longer, with epochs=20: it was still improving when its epochs ran out"),
        ("unstable", "try lower learning rates, 0.000316 and 0.0001: this one is unstable"),
    ],
)
def test_with_enough_steps_the_verdict_says_what_to_change(verdict: str, advice: str) -> None:
    results = [trial(0.001, verdict, 1.9, 0.25, batch_size=8), trial(0.1, "collapsed", 2.3, 0.1, batch_size=8)]
    assert conclude(results).sentences[0] == f"First, {advice}."


def test_a_cell_that_learned_and_converged_and_is_surely_the_best_is_recommended() -> None:
    results = [*cell(0.001, (1.0, 1.01, 0.99)), *cell(0.1, (2.0, 2.01, 2.02)), trial(1.0, "collapsed", 2.3, 0.1)]
    conclusion = conclude(results)
    assert conclusion.headline == "Use adam with a learning rate of 0.001"
    assert conclusion.sentences[0].startswith("Sure: no other cell tried is better")
    assert "Not recommended, since a training diverged or collapsed: adam 1." in conclusion.sentences
    (marked,) = [line.split() for line in table(results).splitlines() if "best" in line]
    assert marked[:3] == ["adam", "0.001", "3"]


def test_where_the_best_has_not_converged_it_is_sure_only_among_trainings_of_this_length() -> None:
    results = [
        *cell(0.001, (1.0, 1.01, 0.99), verdict="too slow"),
        *cell(0.0001, (2.0, 2.01, 2.02), verdict="too slow"),
    ]
    conclusion = conclude(results)
    assert conclusion.headline == "adam with a learning rate of 0.001 is the best so far, not converged"
    assert conclusion.sentences[1].startswith("Among trainings of this length: sure: no other cell tried is better")


def test_the_best_is_the_best_cell_and_not_the_luckiest_trial() -> None:
    lucky = cell(0.01, (0.3, 3.0, 3.0))
    results = [*lucky, *cell(0.001, (1.01, 1.0, 1.02))]
    conclusion = conclude(results)
    assert {result.specification.settings.lr for result in conclusion.best} == {0.001}
    assert conclusion.representative is not None
    assert conclusion.representative.val_loss == 1.01, "that of the median seed"
    assert "0.01 " not in " ".join(line for line in table(results).splitlines() if "best" in line)


@pytest.mark.parametrize("seeds", [1, 2])
def test_below_three_seeds_an_answer_is_open_however_clear_it_looks(seeds: int) -> None:
    results = [*cell(0.001, (0.1, 0.1001)[:seeds]), *cell(0.1, (2.0, 2.001)[:seeds])]
    conclusion = conclude(results)
    assert conclusion.headline == "Open: adam with a learning rate of 0.001 is the best so far"
    assert "best so far" in table(results)


def test_each_shape_of_network_has_an_answer_and_the_best_comes_first() -> None:
    results = [
        trial_of(TrainSettings(optimizer="adam", lr=lr, hidden=hidden, seed=seed, epochs=10), "good", loss, 0.6)
        for hidden, losses in (((8,), (1.5, 2.0)), ((16,), (1.0, 2.0)))
        for lr, loss in zip((0.01, 0.1), losses, strict=True)
        for seed in range(3)
    ]
    conclusion = conclude(results)
    assert conclusion.headline == "Use adam with a learning rate of 0.01 (hidden=16)"
    assert conclusion.sentences[-1] == "Use adam with a learning rate of 0.01 (hidden=8)."
    assert {result.specification.settings.hidden for result in conclusion.best} == {(16,)}


def test_the_trials_of_each_momentum_are_told_apart() -> None:
    settings = [TrainSettings(optimizer="sgd", lr=lr, momentum=momentum) for lr in (0.1, 0.01) for momentum in (0, 0.9)]
    lines = table([trial_of(each, "good", 1.0, 0.6) for each in settings]).splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == ["sgd", "sgd", "sgd momentum=0.9", "sgd momentum=0.9"]


def test_learning_rates_that_were_tried_are_not_advised() -> None:
    results = [trial(0.1, "unstable", 0.9, 0.7), trial(0.0316, "unstable", 1.0, 0.6)]
    assert conclude(results).sentences[0] == (
        "First, try lower learning rates, 0.01 and 0.00316: this one is unstable."
    )


def test_where_all_diverged_there_is_no_best() -> None:
    results = [trial(0.1, "diverged", 2.2, 0.3)]
    assert (conclude(results).best_label, conclude(results).best, conclude(results).sentences) == ("", (), ())


def test_where_each_cell_has_a_failed_trial_nothing_is_recommended() -> None:
    results = [
        trial(lr, verdict, 0.5, 0.9, seed=seed)
        for lr in (0.1, 0.01)
        for seed, verdict in enumerate(("good", "collapsed"))
    ]
    conclusion = conclude(results)
    assert conclusion.headline == "No learning rate tried can be recommended: in each cell a training failed"
    assert conclusion.sentences[0] == "First, try lower learning rates, 0.00316 and 0.001."
    assert (conclusion.best_label, conclusion.representative) == ("", None)


def test_a_study_of_several_seeds_ends_with_a_row_per_cell_and_marks_no_lucky_seed() -> None:
    results = [*cell(0.01, [0.50, 0.52, 0.51]), *cell(0.1, [0.40, 0.90, 0.80])]
    results[4] = trial(0.1, "unstable", 0.90, 0.6, seed=1)
    lines = table(results).splitlines()
    assert len(lines) == 3
    assert "seeds" in lines[0]
    high, low = lines[1:]
    assert " 3 " in high
    assert "0.70 ± 0.26" in high
    assert "good (2 of 3)" in high
    assert "0.510 ± 0.010" in low
    assert "best" in low
    assert "best" not in high
