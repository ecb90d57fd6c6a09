"""The words for measured causes."""

import pytest

from lrstudy.training.epoch import CAUSES, Epoch
from lrstudy.training.verdict import Verdict
from lrstudy.training.verdict_causes import causes_of, cite_causes
from lrstudy.verdicts.causes import Causes, cite, early

FALLING = {epoch: 2.0 - epoch / 100 for epoch in range(51)}


@pytest.mark.parametrize(
    ("verdict", "causes", "clause"),
    [
        (
            "collapsed",
            Causes(over_critical={1: 5.21, 2: 7.0}, dead={1: 0.2, 3: 0.7, 14: 0.712}),
            "it overshoots: in epoch 1 a step was 5.2 times too long, "
            "and 71% of the ReLUs have been dead since epoch 3",
        ),
        (
            "unstable",
            Causes(over_critical={1: 0.2, 4: 1234.5}),
            "it overshoots: in epoch 4 a step was 1,200 times too long",
        ),
        (
            "diverged",
            Causes(no_descent={1: 1.0}, over_critical={2: 3.0}),
            "it overshoots: in epoch 1 steps led uphill from their beginning",
        ),
        ("collapsed", Causes(dead={1: 0.95, 2: 0.96}), "96% of the ReLUs have been dead since epoch 1"),
        (
            "unstable",
            Causes(over_critical={1: 0.1, 50: 0.42}),
            "none of the few measured steps overshot, the longest at 0.42 times the critical length",
        ),
        (
            "too slow",
            Causes(over_best={1: 0.025, 50: 0.025}, over_critical={1: 0.01}, train_loss=FALLING),
            "each step went 1/40 of the way that lowers the loss most; "
            "at this pace a training loss of 0.23, a tenth of that of chance, takes about 180 epochs",
        ),
        (
            "too slow",
            Causes(no_rise={1: 1.0}),
            "each step could have been a million times longer and would still have lowered the loss",
        ),
        (
            "overfits",
            Causes(saturated={14: 0.5, 50: 0.93}),
            "at epoch 50, 93% of the training images are predicted with more than 99% certainty",
        ),
        (
            "good",
            Causes(over_critical={1: 0.2, 2: 0.3, 3: 0.4, 50: 9.0}),
            "its first steps were up to 0.4 times the critical length",
        ),
    ],
)
def test_a_verdict_cites_its_cause(verdict: str, causes: Causes, clause: str) -> None:
    assert cite(verdict, causes, 2.3) == clause


@pytest.mark.parametrize("verdict", ["good", "overfits", "too slow", "unstable", "collapsed", "diverged", "not judged"])
def test_without_measurements_nothing_is_cited(verdict: str) -> None:
    assert cite(verdict, Causes(train_loss=FALLING), 2.3) == ""
    plain = Verdict(verdict, "as now")
    history = [Epoch(number, loss, 0.5, loss, 0.5, 1.0, 0.1) for number, loss in FALLING.items()]
    assert cite_causes(plain, history, 2.3) == plain


def test_the_causes_of_a_training_are_those_of_its_measured_epochs() -> None:
    fields = {field: 0.5 + place for place, field in enumerate(CAUSES)}
    history = [Epoch(0, 2.0, 0, 2.0, 0, 0, 0), Epoch(1, 1.0, 0, 1.0, 0, 0, 0, **fields)]
    found = causes_of(history)
    assert found.over_critical == {1: 0.5}
    assert found.train_loss == {0: 2.0, 1: 1.0}
    cited = cite_causes(Verdict("collapsed", "the loss stays"), history, 2.3)
    assert cited == Verdict(
        "collapsed",
        "the loss stays; it overshoots: in epoch 1 steps led uphill from their beginning, "
        "and 650% of the ReLUs have been dead since epoch 1",
    )


def test_early_measurements_are_those_of_the_first_three_epochs() -> None:
    assert early({1: 1.0, 2: 5.0, 3: 3.0, 4: 100.0}) == 5
