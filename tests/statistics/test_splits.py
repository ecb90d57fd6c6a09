"""The sentence on whether an answer depends on the split of the images."""

import numpy as np

from lrstudy.statistics.answer import Answer, find_answer
from lrstudy.statistics.outcomes import Outcome, Outcomes
from lrstudy.statistics.splits import compare_splits


def answer(losses: dict[str, float]) -> Answer:
    """Return the answer of eight seeds of each optimizer, with losses that vary by 2%."""
    noise = np.random.default_rng(0)
    return find_answer(
        Outcomes(
            Outcome(optimizer, 0.001, seed, loss * float(np.exp(noise.normal(0, 0.02))))
            for optimizer, loss in losses.items()
            for seed in range(8)
        )
    )


def test_an_answer_does_not_depend_on_the_split_if_one_cell_is_good_in_each() -> None:
    answers = {3: answer({"sgd": 0.10, "adam": 0.101}), 4: answer({"sgd": 0.201, "adam": 0.2})}
    assert compare_splits(answers).startswith("The answer does not depend on the split: in each of 2 splits, ")


def test_an_answer_depends_on_the_split_if_another_cell_is_surely_better_in_one() -> None:
    sgd_is_best, adam_is_best = answer({"sgd": 0.1, "adam": 0.2}), answer({"sgd": 0.2, "adam": 0.1})
    assert compare_splits({0: sgd_is_best, 1: adam_is_best, 2: sgd_is_best}) == (
        "The answer depends on the split: sgd 0.001 is the best cell or not distinguishable from it in 2 of 3 splits; "
        "better than it: adam 0.001 with split_seed=1."
    )


def test_no_split_may_have_a_recommendation() -> None:
    failed = find_answer(Outcomes([Outcome("sgd", 0.1, 0, float("nan"))]))
    assert compare_splits({0: failed}) == "In no split can a learning rate be recommended."
