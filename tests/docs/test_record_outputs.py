"""The outputs on the pages are recorded without progress lines, and otherwise whole."""

import pytest

from record_outputs import PROGRESS


@pytest.mark.parametrize(
    "line",
    [
        "[1/12]  sgd lr=0.1  val loss 0.46  accuracy 85.2%  too slow\n",
        "epoch  1/50  loss 2.2\n",
        "drawing figures and saving the model\n",
        "model: models:/m-1, of run 2\n",
    ],
)
def test_a_progress_line_is_left_out(line: str) -> None:
    assert PROGRESS.sub("", f"{line}Use adam.\n") == "Use adam.\n"


@pytest.mark.parametrize(
    "line", ["stop there, at epoch 21, with epochs=21.\n", "  data: c16f, as recorded\n", "the best model: adam.\n"]
)
def test_a_sentence_stays_whole(line: str) -> None:
    assert PROGRESS.sub("", line) == line
