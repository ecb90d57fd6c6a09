"""The difference of two cells, weighed against both the seeds and the validation images."""

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats

from interval_coverage import CELLS, TARGETS, Draw, Study, analyse, coverage, lognormal, normal
from lrstudy.statistics.images import CrossedDifference, MeanSquares, Population, crossed_difference
from lrstudy.statistics.outcomes import Outcome, Outcomes

ADAM, SGD = CELLS
SEEDS, IMAGES = 4, 30


def study(seeds: int = SEEDS, images: int = IMAGES) -> Study:
    return lognormal(np.random.default_rng(1), seeds, images, sigma=1)


def outcomes(first: np.ndarray, second: np.ndarray) -> list[Outcome]:
    """One training per row of each cell's losses."""
    return [
        Outcome(*cell, seed, float(row.mean()), val_losses=row)
        for cell, losses in ((ADAM, first), (SGD, second))
        for seed, row in enumerate(losses)
    ]


def pseudovalues(losses: np.ndarray) -> np.ndarray:
    """The jackknife pseudovalues of each training's log mean loss, with the images left out one after the other."""
    images = losses.shape[1]
    return np.array(
        [
            [
                images * math.log(row.mean()) - (images - 1) * math.log(np.delete(row, left_out).mean())
                for left_out in range(images)
            ]
            for row in losses
        ]
    )


def mean_squares_by_least_squares(values: np.ndarray) -> MeanSquares:
    """The mean squares of seeds, images and residuals as differences of residual sums of nested regressions."""
    seeds, images = values.shape
    rows, columns = np.repeat(np.eye(seeds), images, axis=0), np.tile(np.eye(images), (seeds, 1))

    def unexplained(*designs: np.ndarray) -> float:
        design = np.hstack([np.ones((values.size, 1)), *designs])
        fitted = design @ np.linalg.lstsq(design, values.ravel(), rcond=None)[0]
        return float(((values.ravel() - fitted) ** 2).sum())

    residual = unexplained(rows, columns)
    return MeanSquares(
        (unexplained(columns) - residual) / (seeds - 1),
        (unexplained(rows) - residual) / (images - 1),
        residual / ((seeds - 1) * (images - 1)),
    )


def test_the_mean_is_that_over_seeds_of_the_differences_of_log_mean_losses() -> None:
    drawn = study()
    expected = np.mean([math.log(a.mean() / b.mean()) for a, b in zip(drawn.first, drawn.second, strict=True)])
    assert analyse(drawn).mean == pytest.approx(expected)


def test_the_mean_squares_are_those_of_the_pseudovalues_by_least_squares() -> None:
    drawn = study()
    expected = mean_squares_by_least_squares(pseudovalues(drawn.first) - pseudovalues(drawn.second))
    found = analyse(drawn).mean_squares
    assert (found.images, found.residual) == pytest.approx((expected.images, expected.residual))
    # The seeds' own differences are not corrected for bias as their pseudovalues are.
    assert found.seeds == pytest.approx(expected.seeds, rel=0.2)


def test_the_interval_for_new_seeds_is_that_of_the_paired_t_test() -> None:
    drawn = study()
    paired = stats.ttest_rel(np.log(drawn.first.mean(axis=1)), np.log(drawn.second.mean(axis=1)))
    assert analyse(drawn).interval("seeds", 0.9) == pytest.approx(tuple(paired.confidence_interval(0.9)))


def test_the_interval_for_new_images_is_that_of_the_jackknife_with_fewer_degrees_of_freedom() -> None:
    drawn = study()
    of_images = (pseudovalues(drawn.first) - pseudovalues(drawn.second)).mean(axis=0)
    difference = analyse(drawn)
    assert 2 < difference.image_df < IMAGES - 1
    expected = stats.t.ppf(0.975, difference.image_df) * of_images.std(ddof=1) / math.sqrt(IMAGES)
    assert difference.half_width("images") == pytest.approx(expected)


def test_evenly_spread_values_have_the_degrees_of_freedom_of_normal_ones() -> None:
    losses = 1 + 0.001 * np.random.default_rng(0).uniform(size=(2, 3, 100))
    assert analyse(Study(losses[0], losses[1], {})).image_df == pytest.approx(99)


def test_one_image_that_holds_the_difference_leaves_few_degrees_of_freedom() -> None:
    losses = np.random.default_rng(0).uniform(0.1, 0.2, size=(2, 3, 100))
    losses[0, :, 7] = 50
    assert analyse(Study(losses[0], losses[1], {})).image_df < 2


def test_the_variance_for_both_is_the_sum_of_the_components_over_their_numbers() -> None:
    difference = CrossedDifference(0.1, 5, 200, MeanSquares(seeds=9.0, images=4.0, residual=2.0), image_df=80.0)
    components = (difference.seed_component, difference.image_component, difference.residual_component)
    assert components == pytest.approx((7 / 200, 2 / 5, 2.0))
    variance = components[0] / 5 + components[1] / 200 + components[2] / 1000
    df = variance**2 / ((9 / 1000) ** 2 / 4 + (4 / 1000) ** 2 / 80)
    assert difference.half_width("both") == pytest.approx(stats.t.ppf(0.975, df) * math.sqrt(variance))


def test_the_first_and_the_second_cell_exchanged_change_the_sign_alone() -> None:
    rows = Outcomes(outcomes(study().first, study().second))
    there, back = crossed_difference(rows, ADAM, SGD), crossed_difference(rows, SGD, ADAM)
    assert there
    assert back
    low, high = there.interval()
    assert back.interval() == pytest.approx((-high, -low))


@pytest.mark.parametrize("population", TARGETS)
def test_equal_cells_have_an_interval_without_width(population: Population) -> None:
    difference = analyse(Study(study().first, study().first, {}))
    assert difference.interval(population) == (0, 0)


def test_a_training_whose_loss_is_all_of_one_image_has_a_finite_interval() -> None:
    losses = study().first
    losses[:, 1:] = 0
    assert math.isfinite(analyse(Study(losses, study().second, {})).half_width())


def test_more_seeds_do_not_settle_what_the_images_limit() -> None:
    drawn = normal(np.random.default_rng(0), 10, 75, parts=(0.01, 1, 0.5))
    difference = analyse(drawn)
    margin = difference.half_width() / 3
    assert difference.limited_by == "images"
    assert difference.seeds_needed(margin) == math.inf
    assert 8 * 75 < difference.images_needed(margin) < 10 * 75  # nine times as many, for a third


def test_more_images_do_not_settle_what_the_seeds_limit() -> None:
    drawn = normal(np.random.default_rng(0), 10, 300, parts=(1, 0.1, 0.5))
    difference = analyse(drawn)
    margin = difference.half_width() / 3
    assert difference.limited_by == "seeds"
    assert difference.images_needed(margin) == math.inf
    assert 60 < difference.seeds_needed(margin) < 90  # nine times as many, less what more degrees of freedom give


def test_the_numbers_needed_are_the_least_that_reach_the_margin() -> None:
    drawn = normal(np.random.default_rng(0), 5, 100, parts=(0.1, 1, 1))
    difference = analyse(drawn)
    margin = 0.9 * difference.half_width()
    needed = int(difference.images_needed(margin))
    assert difference._expected(5, needed, 0.95) <= margin < difference._expected(5, needed - 1, 0.95)


def test_a_margin_that_is_reached_needs_nothing_more() -> None:
    difference = analyse(study())
    margin = difference.half_width()
    assert (difference.seeds_needed(margin), difference.images_needed(margin)) == (SEEDS, IMAGES)


def test_seeds_of_one_cell_alone_and_failed_trainings_are_left_out() -> None:
    drawn = study()
    rows = outcomes(drawn.first, drawn.second[1:])  # its seeds are 0 to 2
    failed = Outcome(*ADAM, 0, rows[0].val_loss, verdict="diverged", val_losses=rows[0].val_losses)
    difference = crossed_difference(Outcomes([failed, *rows[1:]]), ADAM, SGD)
    assert difference == analyse(Study(drawn.first[1:3], drawn.second[2:4], {}))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.ones((3, 9)), np.ones((3, 8))),  # other images
        (np.ones((3, 9)), np.ones((1, 9))),  # one seed in common
        (np.ones((3, 1)), np.ones((3, 1))),  # one image
        (np.ones((3, 9)), np.full((3, 9), np.nan)),
    ],
)
def test_without_two_seeds_of_the_same_images_there_is_no_difference(first: np.ndarray, second: np.ndarray) -> None:
    assert crossed_difference(Outcomes(outcomes(first, second)), ADAM, SGD) is None


def test_without_losses_per_image_there_is_no_difference() -> None:
    rows = Outcomes(Outcome(*cell, seed, 0.5) for cell in CELLS for seed in range(3))
    assert crossed_difference(rows, ADAM, SGD) is None


@pytest.mark.parametrize(
    "draw",
    [
        partial(normal, parts=(0.02, 1, 0.3)),  # mostly images
        partial(normal, parts=(1, 1, 0.3)),  # mostly seeds
        partial(normal, parts=(0.1, 1, 0)),
        partial(lognormal, sigma=1),
    ],
)
@pytest.mark.parametrize(("seeds", "images"), [(3, 75), (8, 100)])
def test_intervals_of_95_percent_cover_the_truth_in_95_percent_of_studies(draw: Draw, seeds: int, images: int) -> None:
    shares = coverage(draw, seeds, images, studies=400)
    assert all(0.93 <= share <= 0.98 for share in shares.values()), shares
