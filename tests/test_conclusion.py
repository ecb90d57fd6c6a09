"""The end of a grid or a search: its best trial only where one learned and converged."""

import math
from io import StringIO

import pytest
from rich.console import Console

from lrstudy.settings import TrainSettings
from lrstudy.study.conclusion import conclude
from lrstudy.study.display import result_table
from lrstudy.study.trial_result import TrialResult
from lrstudy.training.specification import DataSummary, StudyContext, TrialSpecification

# 75 validation images in ten equal classes: an accuracy above 20.4% shows that a network has learned.
DATA = DataSummary(
    name="photos",
    source="here",
    digest="0" * 32,
    image_shape=(64, 64, 3),
    split_sizes={"train": 350, "validation": 75, "test": 75},
    chance_loss=math.log(10),
    bad_images=(),
    classes=tuple("0123456789"),
    skipped_files=0,
    remarks=(),
    preprocessing=3,
    chance_accuracy=0.1,
)
CONTEXT = StudyContext(DATA, "cpu", 1, "a machine", "fp32")


def trial(lr: float, verdict: str, loss: float, accuracy: float, batch_size: int = 256) -> TrialResult:
    return trial_of(TrainSettings(optimizer="adam", lr=lr, epochs=10, batch_size=batch_size), verdict, loss, accuracy)


def trial_of(settings: TrainSettings, verdict: str, loss: float, accuracy: float) -> TrialResult:
    lr = settings.lr
    return TrialResult(0, TrialSpecification(settings, CONTEXT, {}), f"{lr}", loss, accuracy, verdict)


def table(results: list[TrialResult]) -> str:
    text = StringIO()
    Console(file=text, width=120).print(result_table(results, conclude(results).best_label))
    return text.getvalue()


def test_where_nothing_learned_no_trial_is_the_best() -> None:
    results = [trial(0.001, "too slow", 2.25, 0.2), trial(0.1, "overfits", 2.29, 0.1)]
    assert conclude(results).sentences == ("no training learned: 20 steps each; try batch_size=32 and epochs=50.",)
    assert "best" not in table(results)


def test_where_nothing_that_learned_converged_the_best_is_the_best_so_far() -> None:
    results = [trial(0.001, "too slow", 1.9, 0.25), trial(0.1, "unstable", 2.1, 0.25)]
    (sentence,) = conclude(results).sentences
    assert sentence == (
        "adam lr=0.001 is the best so far, but has not converged: too slow; try batch_size=32 and epochs=50."
    )
    assert "best so far" in table(results)


def test_where_the_best_has_not_converged_the_best_that_has_is_named() -> None:
    results = [trial(0.001, "unstable", 0.9, 0.7), trial(0.01, "good", 1.0, 0.6), trial(0.1, "overfits", 1.1, 0.5)]
    assert conclude(results).sentences == (
        "adam lr=0.001 is the best so far, but has not converged: unstable; try lower learning rates.",
        "adam lr=0.01 is the best that has converged, with a validation loss of 1.0000 and an accuracy of 60.0%.",
    )
    assert "best so far" in table(results)


@pytest.mark.parametrize(("verdict", "remedy"), [("too slow", "epochs=20"), ("unstable", "lower learning rates")])
def test_with_enough_steps_the_verdict_says_what_to_change(verdict: str, remedy: str) -> None:
    results = [trial(0.001, verdict, 1.9, 0.25, batch_size=8), trial(0.1, "collapsed", 2.3, 0.1, batch_size=8)]
    assert conclude(results).sentences[0].endswith(f"try {remedy}.")


def test_a_trial_that_learned_and_converged_is_the_best() -> None:
    results = [trial(0.001, "good", 1.0, 0.6), trial(0.1, "collapsed", 2.3, 0.1)]
    assert conclude(results).sentences == ()
    assert table(results).count("best") == 1


def test_the_trials_of_each_momentum_are_told_apart() -> None:
    settings = [TrainSettings(optimizer="sgd", lr=lr, momentum=momentum) for lr in (0.1, 0.01) for momentum in (0, 0.9)]
    lines = table([trial_of(each, "good", 1.0, 0.6) for each in settings]).splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == ["sgd", "sgd", "sgd momentum=0.9", "sgd momentum=0.9"]


def test_where_all_diverged_there_is_no_best() -> None:
    results = [trial(0.1, "diverged", 2.2, 0.3)]
    assert (conclude(results).best_label, conclude(results).sentences) == ("", ())
