"""The benchmark of decisions replays what it says."""

import math
from pathlib import Path

import numpy as np
import pytest

from lrstudy.statistics.outcomes import Cell
from made_tables import decide_made
from replay import Replay, decide, replay_of
from rivals import fixed, successive_halving, unlimited
from trained_pools import FOLDER, Pool, read_pool

BEST, OTHER = Cell("adam", 0.001), Cell("sgd", 0.1)


def pool_of(log_losses: list[list[float]], failed: list[list[bool]] | None = None) -> Pool:
    """Return a pool of the cells `BEST` and `OTHER`, of three epochs each."""
    losses = np.array(log_losses)
    fails = np.zeros(losses.shape, bool) if failed is None else np.array(failed)
    return Pool("made", (BEST, OTHER), losses, fails, [[[1.0, 0.5, loss] for loss in row] for row in np.exp(losses)])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json.gz")), ids=lambda path: path.name)
def test_a_stored_pool_has_all_its_trainings(path: Path) -> None:
    pool = read_pool(path)
    assert pool.log_losses.shape == pool.failed.shape == pool.epochs.shape == (len(pool.cells), 20)
    assert np.isfinite(pool.log_losses).all()
    assert {cell.optimizer for cell in pool.starts} == {cell.optimizer for cell in pool.cells}


def test_a_failed_training_counts_as_twice_the_loss_of_guessing() -> None:
    pool = read_pool(FOLDER / "digits_cnn.json.gz")
    assert pool.failed.any()
    np.testing.assert_allclose(pool.log_losses[pool.failed], math.log(2 * 2.3025))


def test_a_fixed_number_of_seeds_chooses_the_lowest_mean_of_the_drawn_ones() -> None:
    # With the first seed alone the second cell is lower, with both seeds the first; in the kept half it is 0.4 lower.
    pool = pool_of([[0.1, -0.3, 0.0, -0.2], [0.0, 0.2, 0.4, 0.2]])
    replay = Replay(pool, 0, np.tile([0, 1], 150), np.array([0, 1]), np.array([2, 3]))
    choices = fixed(replay)
    assert choices[0].regret == pytest.approx(0.4)
    assert (choices[0].trainings, choices[0].epochs) == (2, 6)
    assert choices[1].regret == 0
    assert (choices[1].trainings, choices[1].epochs) == (4, 12)
    assert unlimited(replay) == 0
    assert successive_halving(replay).regret == pytest.approx(0.4)


def test_the_halves_of_a_replay_have_no_seed_in_common() -> None:
    replay = replay_of(read_pool(FOLDER / "few_digits.json.gz"), 3)
    assert sorted([*replay.drawn_from, *replay.kept]) == list(range(20))
    assert set(replay.columns) <= set(replay.drawn_from)


def test_a_cell_that_is_far_better_is_sure_after_few_trainings() -> None:
    losses = np.random.default_rng(0).normal([[-3.0], [0.0]], 0.05, (2, 20))
    decision = decide(replay_of(pool_of(losses.tolist()), 0), 0.05)
    assert decision.regret == decision.own_regret == 0
    assert decision.sure
    assert decision.trainings <= 10
    assert decision.epochs == 3 * decision.trainings


def test_a_decision_whose_trainings_all_fail_is_never_sure() -> None:
    decision = decide(replay_of(pool_of([[1.0] * 20] * 2, [[True] * 20] * 2), 0), 0.05)
    assert math.isinf(decision.regret)
    assert not decision.sure


def test_a_made_decision_finds_the_cell_that_is_far_better() -> None:
    decision = decide_made("normal", 4, 1.0, 0.05, number=0)
    assert decision.right
    assert decision.sure
    assert decision.worse
