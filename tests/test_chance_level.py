"""The scores from which on a network has learned."""

import pytest

from lrstudy.verdicts.chance_level import ChanceLevel

# Of 33 validation images in two classes, 24 are in one.
TWO_CLASSES = ChanceLevel.from_counts([24, 9])


@pytest.mark.parametrize(
    ("accuracy", "loss", "learned"),
    [
        (0.97, 0.58, True),  # more than three standard errors above 72.7%
        (0.95, 0.58, False),
        (0.85, 0.301, True),  # a loss that is not luck on 33 images
        (0.85, 0.32, False),
        (0.73, float("nan"), False),
    ],
)
def test_a_network_has_learned_if_its_scores_are_no_luck(accuracy: float, loss: float, learned: bool) -> None:
    assert TWO_CLASSES.is_beaten_by(accuracy, loss) == learned


def test_a_loss_near_that_of_guessing_is_no_learning_however_many_images_show_it() -> None:
    chance = ChanceLevel.from_counts([1000] * 10)
    assert not chance.is_beaten_by(0.105, 0.8 * chance.loss)
    assert chance.is_beaten_by(0.105, 0.7 * chance.loss)
