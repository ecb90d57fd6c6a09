"""The answer of a table of trainings against independent computations, and against tables of known truth."""

import doctest
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import lrstudy.statistics
from lrstudy.statistics import Certainty, Outcome, Outcomes, evidence, find_answer, headline
from lrstudy.statistics.cell_means import DRAWS, estimate_means
from lrstudy.statistics.comparisons import compare
from made_outcomes import made_logs, outcomes_of


def simulation_error(confidence: float) -> float:
    """Three standard errors of the confidence of an interval whose width is a simulated quantile."""
    return 3 * math.sqrt(confidence * (1 - confidence) / DRAWS)


def half_widths(logs: np.ndarray, confidence: float) -> list[float]:
    means = estimate_means(outcomes_of(logs))
    return [(math.log1p(each.high) - math.log1p(each.low)) / 2 for each in compare(means, means.best, confidence)]


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_with_two_cells_an_interval_is_that_of_the_paired_t_test(seeds: int, confidence: float) -> None:
    logs = made_logs([0.0, 0.3], seeds, np.random.default_rng(seeds))
    answer = find_answer(outcomes_of(logs), confidence=confidence)
    (comparison,) = answer.comparisons
    differences = logs[1] - logs[0]
    sign = 1 if answer.best and answer.best.lr == 10 else -1
    assert math.log1p(comparison.difference) == pytest.approx(sign * differences.mean(), abs=1e-12)
    (width,) = half_widths(logs, confidence)
    level = 1 - 2 * stats.t.sf(width / stats.sem(differences), seeds - 1)
    assert level == pytest.approx(confidence, abs=simulation_error(confidence))


@pytest.mark.parametrize(("cells", "seeds"), [(3, 5), (6, 3), (12, 10)])
def test_with_equal_variances_the_intervals_are_tukeys_with_the_two_way_residual(cells: int, seeds: int) -> None:
    tables = (made_logs([0.1 * cell for cell in range(cells)], seeds, np.random.default_rng(n)) for n in range(20))
    logs = next(logs for logs in tables if math.isinf(estimate_means(outcomes_of(logs)).variances.prior_df))
    residuals = logs - logs.mean(axis=1, keepdims=True) - logs.mean(axis=0) + logs.mean()
    df = (cells - 1) * (seeds - 1)
    error = math.sqrt(float((residuals**2).sum()) / df / seeds)
    widths = half_widths(logs, 0.95)
    assert widths == pytest.approx([widths[0]] * (cells - 1))
    level = stats.studentized_range.cdf(widths[0] / error, cells, df)
    assert level == pytest.approx(0.95, abs=simulation_error(0.95))


def test_without_a_seed_in_common_the_means_are_those_of_the_cells() -> None:
    logs = np.full((2, 6), np.nan)
    logs[0, :3], logs[1, 3:] = [0.1, 0.2, 0.3], [0.5, 0.7, 0.9]
    means = estimate_means(outcomes_of(logs))
    assert means.means == pytest.approx([0.2, 0.7])
    assert means.variances.df == 4
    assert means.variances.common == pytest.approx((0.01 * 2 + 0.04 * 2) / 4)


def test_a_seed_that_one_cell_lacks_does_not_decide() -> None:
    """All losses of seed 1 are higher; without it a cell is not better for that."""
    logs = np.array([[0.0, 1.0, 0.01], [0.02, 1.02, 0.0], [0.01, np.nan, 0.02]])
    means = estimate_means(outcomes_of(logs)).means
    assert means[2] - means[0] > np.nanmean(logs[2]) - np.nanmean(logs[0]) + 0.2


@pytest.mark.parametrize(("cells", "seeds"), [(4, 3), (8, 3), (12, 5)])
def test_of_equal_cells_few_are_called_worse(cells: int, seeds: int) -> None:
    generator = np.random.default_rng(cells)
    tables = [made_logs([0.0] * cells, seeds, generator) for _ in range(200)]
    false_claims = sum(bool(find_answer(outcomes_of(logs)).worse) for logs in tables)
    assert false_claims <= 0.08 * len(tables)


def test_intervals_hold_together_at_the_stated_rate() -> None:
    generator, truth = np.random.default_rng(2), np.array([0.0, 0.05, 0.1, 0.3, 0.5])
    held = 0
    for _ in range(300):
        means = estimate_means(outcomes_of(made_logs(list(truth), 4, generator)))
        true = {cell: math.expm1(truth[int(cell.lr) - 10] - truth[int(means.best.lr) - 10]) for cell in means.cells}
        held += all(each.low <= true[each.cell] <= each.high for each in compare(means, means.best, 0.95))
    assert 0.93 <= held / 300 <= 0.995


def test_a_sure_answer_is_seldom_wrong_and_a_clear_one_is_sure() -> None:
    generator, sure, wrong, clear = np.random.default_rng(3), 0, 0, 0
    for _ in range(200):
        answer = find_answer(outcomes_of(made_logs([0.0, 0.06, 0.1, 0.4], 10, generator)))
        sure += answer.is_sure
        wrong += answer.is_sure and answer.best is not None and answer.best.lr != 10
        clear += find_answer(outcomes_of(made_logs([0.0, 0.6], 5, generator))).certainty is Certainty.SURE
    assert sure > 20
    assert wrong <= 0.05 * sure
    assert clear > 180


@pytest.mark.parametrize("seed_effect", [0.0, 0.1, 0.3])
def test_the_loss_to_expect_is_within_its_interval_at_the_stated_rate(seed_effect: float) -> None:
    generator, held = np.random.default_rng(4), 0
    for _ in range(200):
        winner = find_answer(outcomes_of(made_logs([0.0] * 6, 3, generator, seed_effect=seed_effect))).winner
        assert winner is not None
        held += winner.low <= 1 <= winner.high
    assert 0.91 <= held / 200 <= 0.99


def test_the_luck_of_the_best_of_several_cells_is_mostly_corrected() -> None:
    generator, observed, corrected = np.random.default_rng(5), 0.0, 0.0
    for _ in range(200):
        winner = find_answer(outcomes_of(made_logs([0.0] * 8, 3, generator))).winner
        assert winner is not None
        observed += math.log(winner.observed) / 200
        corrected += math.log(winner.loss) / 200
    assert observed < -0.06
    assert abs(corrected) < 0.5 * abs(observed)


def test_an_interval_beyond_twice_the_loss_is_said_in_words() -> None:
    answer = find_answer(outcomes_of([[0.0, 0.3], [0.1, 0.1]]))
    assert answer.indistinguishable[0].high > 1
    (sentence,) = [sentence for sentence in evidence(answer) if sentence.startswith("Not distinguishable")]
    assert sentence == "Not distinguishable from it: adam 10 (its loss may be more than twice as high)."


def test_two_seeds_of_one_cell_do_not_raise_the_estimate_beyond_all_losses_seen() -> None:
    errors = []
    for number in range(100):
        logs = made_logs([0.0] * 3, 2, np.random.default_rng(number))
        logs[1:, 1] = np.nan
        winner = find_answer(outcomes_of(logs)).winner
        assert winner is not None
        errors.append(math.log(winner.loss))
    assert abs(np.mean(errors)) < 0.1


def test_of_a_cell_that_is_clearly_best_nothing_is_corrected() -> None:
    winner = find_answer(outcomes_of(made_logs([0.0, 2.0], 5, np.random.default_rng(0)))).winner
    assert winner is not None
    assert winner.loss == pytest.approx(winner.observed, rel=1e-3)


def test_a_cell_with_a_failed_training_is_not_recommended_however_low_its_other_losses() -> None:
    logs = made_logs([0.0, 0.5, 0.6], 4, np.random.default_rng(0))
    rows = list(outcomes_of(logs).rows)
    rows[0] = Outcome("adam", rows[0].lr, rows[0].seed, rows[0].val_loss, verdict="collapsed")
    answer = find_answer(Outcomes(rows))
    assert answer.best is not None
    assert answer.best.lr == 11
    assert [cell.lr for cell in answer.failed] == [10]
    assert "Not recommended, since a training diverged or collapsed: adam 10." in evidence(answer)


@pytest.mark.parametrize("loss", [math.nan, math.inf, 0.0])
def test_if_each_cell_has_a_failed_training_nothing_is_recommended(loss: float) -> None:
    answer = find_answer(Outcomes(Outcome("sgd", lr, seed, loss if seed else 0.5) for lr in (1, 2) for seed in (0, 1)))
    assert (answer.best, answer.certainty, answer.missing_seeds) == (None, Certainty.OPEN, math.inf)
    assert headline(answer).startswith("No learning rate tried can be recommended")


def test_one_seed_is_open_and_shows_no_noise() -> None:
    answer = find_answer(outcomes_of([[0.0], [0.5], [1.0]]))
    assert (answer.certainty, answer.missing_seeds, answer.winner) == (Certainty.OPEN, math.inf, None)
    assert math.isnan(answer.risk)
    assert evidence(answer) == ["Open: one seed per cell cannot show what is noise."]


def test_two_seeds_are_never_sure() -> None:
    answer = find_answer(outcomes_of([[0.0, 0.01], [3.0, 3.01]]))
    assert answer.certainty is Certainty.OPEN
    assert answer.missing_seeds == 1


def test_by_how_much_a_cell_is_worse_is_said_from_three_seeds_on() -> None:
    logs = np.array(
        [
            [0.0, 0.01, -0.01, 0.0, 0.02, 0.01],
            [2.0, 2.01, 1.98, 2.02, 2.01, math.nan],
            [2.1, 2.11, math.nan, math.nan, math.nan, math.nan],
        ]
    )
    answer = find_answer(outcomes_of(logs))
    three, two = answer.comparisons
    assert (three.cell.lr, two.cell.lr) == (11, 12)
    assert three.is_worse
    assert two.is_worse
    low, high = three.interval
    assert 0 < low < math.expm1(2) < high < math.inf
    assert two.interval == (0, math.inf)


def test_equal_losses_are_within_delta() -> None:
    answer = find_answer(outcomes_of([[0.5] * 3] * 4))
    assert (answer.certainty, answer.worse, len(answer.band)) == (Certainty.WITHIN, (), 4)


def test_the_band_ends_where_a_learning_rate_is_surely_worse() -> None:
    means = [0.9, 0.0, 0.02, 0.0, 0.9, 0.0]
    answer = find_answer(outcomes_of(made_logs(means, 8, np.random.default_rng(0), residual=0.02)))
    assert [cell.lr for cell in answer.band] in ([11, 12, 13], [15])


def open_answer(distance: float, noise: float, seeds: int, delta: float = 0.05) -> float:
    """The missing seeds of two cells whose losses differ by `distance`, with residuals that alternate."""
    residuals = noise * np.array([(-1.0) ** seed for seed in range(seeds)])
    return find_answer(outcomes_of(np.array([residuals, distance - residuals])), delta).missing_seeds


def test_more_noise_needs_more_seeds_and_a_larger_difference_or_delta_fewer() -> None:
    by_noise = [open_answer(0.02, noise, 4) for noise in (0.02, 0.05, 0.1, 0.2)]
    by_distance = [open_answer(distance, 0.2, 4) for distance in (0.0, 0.05, 0.1, 0.2)]
    by_delta = [open_answer(0.02, 0.2, 4, delta) for delta in (0.02, 0.05, 0.1, 0.2)]
    assert by_noise == sorted(by_noise)
    for falling in (by_distance, by_delta):
        assert falling == sorted(falling, reverse=True)
        assert falling[0] > falling[-1] > 0


def test_the_missing_seeds_make_the_answer_sure_about_half_of_the_time() -> None:
    generator, sure = np.random.default_rng(6), 0
    for _ in range(40):
        logs = made_logs([0.0, 0.1], 4, generator)
        missing = find_answer(outcomes_of(logs)).missing_seeds
        if not math.isfinite(missing) or missing > 200:
            continue
        enough = made_logs(list(logs.mean(axis=1)), 4 + int(missing), generator)
        sure += find_answer(outcomes_of(enough)).is_sure
    assert sure >= 12


@settings(deadline=None, max_examples=25)
# A training in the same process may have switched subnormal numbers off.
@given(
    st.lists(
        st.lists(st.floats(-3, 3, allow_subnormal=False) | st.just(math.nan), min_size=3, max_size=3),
        min_size=2,
        max_size=4,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_rows_does_not_matter(logs: list[list[float]], random: object) -> None:
    rows = list(outcomes_of(logs).rows)
    if not rows:
        return
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = find_answer(Outcomes(rows)), find_answer(Outcomes(shuffled))
    assert repr(one) == repr(other)
    assert evidence(one) == evidence(other)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.floats(-600, 600, allow_subnormal=False), min_size=1, max_size=4), min_size=1, max_size=5))
def test_any_losses_have_an_answer(logs: list[list[float]]) -> None:
    answer = find_answer(outcomes_of(logs))
    assert answer.best is not None
    assert all(each.low <= each.difference <= each.high for each in answer.comparisons)
    assert all(sentence.endswith(".") for sentence in evidence(answer))


def test_a_comparison_of_any_two_cells_is_as_wide_in_both_directions() -> None:
    means = estimate_means(outcomes_of(made_logs([0.0, 0.1, 0.2], 4, np.random.default_rng(7))))
    for one, other in combinations(means.cells, 2):
        (there,) = [each for each in compare(means, one, 0.95) if each.cell == other]
        (back,) = [each for each in compare(means, other, 0.95) if each.cell == one]
        assert 1 + there.low == pytest.approx(1 / (1 + back.high))


@pytest.mark.parametrize(("delta", "confidence"), [(0, 0.95), (-1, 0.95), (0.05, 0), (0.05, 1), (0.05, 0.999)])
def test_a_delta_of_0_and_a_confidence_beyond_the_draws_are_rejected(delta: float, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"must be greater than 0, .* at most 0\.99"):
        find_answer(outcomes_of([[0.0, 0.1], [0.2, 0.1]]), delta, confidence)


def test_test_accuracies_that_are_unknown_are_left_out() -> None:
    logs = made_logs([0.0, 1.0], 3, np.random.default_rng(0))
    rows = [
        Outcome("adam", row.lr, row.seed, row.val_loss, test_accuracy=0.9 if row.lr == 10 else math.nan)
        for row in outcomes_of(logs).rows
    ]
    winner = find_answer(Outcomes(rows)).winner
    assert winner is not None
    assert winner.test_accuracy == pytest.approx(0.9)


def test_the_example_of_the_package_runs() -> None:
    assert doctest.testmod(lrstudy.statistics) == (0, 5)


@pytest.mark.parametrize("seed_effect", [0.0, 0.3, 1.0])
def test_cells_with_unlike_numbers_of_seeds_are_compared_fairly_however_much_the_seeds_differ(
    seed_effect: float,
) -> None:
    generator, false_claims = np.random.default_rng(8), 0
    for _ in range(200):
        logs = made_logs([0.0] * 5, 10, generator, seed_effect=seed_effect)
        for cell, seeds in enumerate((10, 10, 3, 3, 2)):
            logs[cell, seeds:] = np.nan
        false_claims += bool(find_answer(outcomes_of(logs)).worse)
    assert false_claims <= 16
