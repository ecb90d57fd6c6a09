"""The learning rates that an extended grid adds, and what a grid says of best ones that are not settled."""

import math
from collections.abc import Callable

import pytest

from lrstudy.settings import GridSettings
from lrstudy.study.grid import Grid
from lrstudy.study.optuna_study import study_file
from made_trials import done

Verdict = Callable[[float], str]


def bowl(best: float) -> Callable[[float, int], float]:
    """Return the validation loss of a learning rate: the lowest is that of `best`, whatever the seed."""
    return lambda lr, seed: (0.1 + math.log10(lr / best) ** 2) * (1 + 0.1 * seed)


def trained(
    loss: Callable[[float, int], float], verdict: Verdict = lambda _: "good", **settings: object
) -> tuple[list[float], list[str]]:
    """Return the learning rates of a grid of one optimizer in the order of their training, and its sentences."""
    lrs: list[float] = []
    with study_file("auto", "it") as file:
        grid = Grid(GridSettings.model_validate({"optimizers": "adam", **settings}), file)
        while (cell := grid.propose()) is not None:
            grid.tell(done(len(lrs), cell, loss(cell.lr, cell.seed), verdict(cell.lr)))
            lrs.append(cell.lr)
        return lrs, grid.finish()


class TestAnExtendedGrid:
    def test_refines_to_half_a_decade_on_both_sides_of_the_best(self) -> None:
        assert trained(bowl(0.01), extend="true") == ([0.1, 0.01, 0.001, 0.00316, 0.0316], [])

    def test_moves_with_the_best_until_it_is_bracketed(self) -> None:
        lrs, sentences = trained(bowl(0.002), extend="true")
        assert lrs == [0.1, 0.01, 0.001, 0.000316, 0.00316]
        assert sentences == []

    def test_searches_beyond_the_edge_first_and_then_within(self) -> None:
        lrs, sentences = trained(bowl(0.3), lrs="0.1,0.001", extend="true")
        assert lrs == [0.1, 0.001, 0.316, 1.0]
        assert sentences == []
        lrs, _ = trained(bowl(0.1), lrs="0.1,0.001", extend="true")
        assert lrs == [0.1, 0.001, 0.316, 0.0316]

    def test_takes_learning_rates_typed_as_1_and_3_as_half_a_decade_apart(self) -> None:
        assert trained(bowl(0.01), lrs="0.03,0.01,0.003", extend="true") == ([0.03, 0.01, 0.003], [])

    def test_fills_a_gap_of_three_decades_step_by_step(self) -> None:
        lrs, sentences = trained(bowl(0.004), lrs="1,0.1,0.0001", extend="true")
        assert lrs == [1.0, 0.1, 0.0001, 0.0316, 0.316, 0.01, 0.00316, 0.001]
        assert sentences == []

    def test_does_not_follow_a_cell_with_a_failed_training(self) -> None:
        lrs, _ = trained(bowl(0.1), lambda lr: "collapsed" if lr >= 0.1 else "good", extend="true")
        assert lrs == [0.1, 0.01, 0.001, 0.00316, 0.0316], "0.0316 is the best that did not fail"

    def test_ranks_by_the_mean_log_loss_as_the_answer_does(self) -> None:
        losses = {0.1: (0.1, 0.4), 0.01: (0.22, 0.22)}  # geometric means 0.2 and 0.22; means 0.25 and 0.22
        lrs, _ = trained(lambda lr, seed: losses.get(lr, (1.0, 1.0))[seed], lrs="0.1,0.01", seeds="2", extend="true")
        assert lrs == [0.1, 0.1, 0.01, 0.01, 0.316, 0.316, 0.0316, 0.0316]

    def test_gives_up_three_decades_beyond_its_edge(self) -> None:
        lrs, sentences = trained(bowl(1e-9), lrs="0.1,0.0316", extend="true")
        assert min(lrs) == 3.16e-05
        assert sentences == [
            "adam: the best learning rate, 3.16e-05, is at the edge of the grid, even with extend=true."
        ]


@pytest.mark.parametrize(
    ("lrs", "sentence"),
    [
        ("0.01,0.001", "is at the edge of the grid; use extend=true to search beyond it."),
        ("0.1,0.01,0.001", "has none beside it within half a decade; use extend=true to try them."),
    ],
)
def test_a_grid_says_which_best_learning_rate_is_not_settled(lrs: str, sentence: str) -> None:
    assert trained(bowl(0.01), lrs=lrs)[1] == [f"adam: the best learning rate, 0.01, {sentence}"]
    assert trained(bowl(0.01), lrs="0.0316,0.01,0.00316")[1] == []
