"""The number of steps of a training, and the warning of too few."""

import pytest

from lrstudy.training_steps import print_steps, settings_for_more_steps


@pytest.mark.parametrize(
    ("images", "batch_size", "epochs", "changed"),
    [
        (350, 256, 10, {"batch_size": 32, "epochs": 50}),
        (350, 256, 50, {"batch_size": 32}),
        (350, 32, 10, {"epochs": 50}),
        (20, 256, 50, {"epochs": 300}),  # a smaller batch than 32 is not suggested
        (350, 256, 150, {}),
        (60_000, 256, 2, {}),
    ],
)
def test_a_smaller_batch_then_more_epochs_are_suggested(
    images: int, batch_size: int, epochs: int, changed: dict[str, int]
) -> None:
    assert settings_for_more_steps(images, batch_size, epochs) == changed


def test_the_number_of_steps_is_printed_and_few_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    print_steps(350, 256, 10)
    printed = capsys.readouterr()
    assert printed.out == "steps: 20 per training, 2 per epoch\n"
    assert printed.err == (
        "warning: fewer than 300 steps are often too few to learn; batch_size=32 and epochs=50 would make 550.\n"
    )


def test_enough_steps_have_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    print_steps(60_000, 256, 50)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("steps: 11,750 per training, 235 per epoch\n", "")
