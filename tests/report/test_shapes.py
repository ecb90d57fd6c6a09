"""Shapes of network: which is best, whether that matters, how many weights, and the gap by the later neurons."""

from collections.abc import Sequence

import pytest

from known_runs import falling, log_training
from lrstudy.report.group_report import build_report
from lrstudy.report.load_runs import load_runs
from lrstudy.report.shape_comparison import ShapeComparison


def log_shape(experiment: str, hidden: str, losses: Sequence[float], gap: float, weights: int = 0) -> None:
    """Log a cell of a shape, and another that is far worse; `losses` are the validation losses of the seeds."""
    tags = {"lrstudy.verdict": "good", "lrstudy.network_weights": f"{weights}" if weights else ""}
    for seed, loss in enumerate(losses):
        curves = falling(0.1)
        curves |= {"val_loss": [2.3, 1.0, 0.6, 0.5, loss], "train_loss": [2.3, 1.0, 0.6, 0.5, loss - gap]}
        log_training(experiment, curves, hidden=hidden, lr="0.1", seed=seed, tags=tags)
        log_training(experiment, falling(1.9 + seed / 100), hidden=hidden, lr="0.001", seed=seed, tags=tags)


def comparison(experiment: str) -> ShapeComparison:
    (shapes,) = build_report(load_runs(experiment=experiment)).shape_comparisons
    return shapes


def test_a_shape_matters_where_all_others_are_surely_worse(experiment: str) -> None:
    log_shape(experiment, "64,8", (0.200, 0.201, 0.199), 0.02, weights=5000)
    log_shape(experiment, "64,64", (0.300, 0.301, 0.302), 0.08, weights=9000)
    shapes = comparison(experiment)
    assert shapes.headline == "Of 2 shapes of network, 64,8 (5,000 weights) is best, with adam 0.1"
    matters, gap = shapes.sentences
    assert matters.startswith("The shape matters: at their best, all others are surely worse, 64,64 by ")
    assert gap == (
        "With adam 0.1, the gap between validation and training loss at the end is 0.02 ± 0 with 8 neurons in later "
        "layers and 0.08 ± 0 with 64: it grows with them."
    )
    assert [row[:3] for row in shapes.rows] == [("64,8", "5,000", "8"), ("64,64", "9,000", "64")]


def test_it_does_not_matter_where_all_are_within_the_difference_that_does_not(experiment: str) -> None:
    log_shape(experiment, "64,8", (0.2001, 0.2000, 0.2002, 0.2001), 0.02, weights=5000)
    log_shape(experiment, "16,4", (0.2003, 0.2002, 0.2004, 0.2003), 0.01, weights=900)
    assert comparison(experiment).sentences[0] == (
        "The shape does not matter: all are within 5%; the smallest is 16,4 (900 weights)."
    )


@pytest.mark.parametrize("seeds", [1, 2])
def test_it_is_open_with_one_seed_and_where_another_may_be_as_good(experiment: str, seeds: int) -> None:
    log_shape(experiment, "64,8", (0.20, 0.26)[:seeds], 0.02)
    log_shape(experiment, "16,4", (0.21, 0.25)[:seeds], 0.02)
    shapes = comparison(experiment)
    assert shapes.sentences[0].startswith("Whether the shape matters is open: ")
    assert "weights" not in shapes.headline


def test_names_that_are_no_numbers_do_not_count_as_neurons(experiment: str) -> None:
    log_shape(experiment, "$8_$", (0.2,), 0.02)
    log_shape(experiment, "8", (0.3,), 0.02)
    assert comparison(experiment).later_neurons in ([0, 8], [8, 0])
