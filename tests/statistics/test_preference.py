"""The preference among cells that tie: which cells tie, which of them is preferred, and how that is said."""

from collections.abc import Mapping

import numpy as np
import pytest

from lrstudy.statistics import Outcome, Outcomes, evidence, find_answer
from lrstudy.statistics.answer_data import answer_data
from lrstudy.statistics.outcomes import Cell
from lrstudy.statistics.preference import Reason


def made(cells: Mapping[Cell, tuple[float, float]], seeds: int = 4) -> Outcomes:
    """Return outcomes of cells with these mean log losses and deviations over seeds, which are exact."""
    rows = []
    for number, (cell, (mean, deviation)) in enumerate(cells.items()):
        noise = np.random.default_rng(number).normal(size=seeds)
        logs = mean + deviation * (noise - noise.mean()) / noise.std(ddof=1)
        rows += [Outcome(*cell, seed, float(np.exp(log))) for seed, log in enumerate(logs)]
    return Outcomes(rows)


ADAM, RMSPROP = Cell("adam", 0.01), Cell("rmsprop", 0.001)
WIDE = made(
    {
        RMSPROP: (-0.002, 0.004),
        Cell("rmsprop", 0.00316): (1.0, 0.004),
        Cell("adam", 0.00316): (0.2, 0.004),
        ADAM: (0.0, 0.004),
        Cell("adam", 0.0316): (0.045, 0.004),
    }
)


def test_the_cell_with_the_widest_usable_band_is_preferred_though_another_has_the_lowest_loss() -> None:
    answer = find_answer(WIDE)
    assert answer.best == RMSPROP
    assert answer.preference is not None
    assert answer.preference.preferred.cell == ADAM
    assert answer.preference.preferred.decades == pytest.approx(0.5, abs=0.01)
    assert {tie.cell for tie in answer.preference.others} <= {RMSPROP, Cell("adam", 0.0316)}
    assert answer.preference.reason is Reason.BAND


def test_of_equal_bands_the_cell_with_steadier_seeds_is_preferred() -> None:
    answer = find_answer(made({RMSPROP: (-0.001, 0.008), ADAM: (0.0, 0.003), Cell("sgd", 0.1): (0.8, 0.008)}, seeds=6))
    assert answer.preference is not None
    assert answer.preference.preferred.cell == ADAM
    assert answer.preference.preferred.deviation == pytest.approx(0.003)
    assert [tie.cell for tie in answer.preference.others] == [RMSPROP]
    assert answer.preference.reason is Reason.SEEDS


@pytest.mark.parametrize(
    "outcomes",
    [
        made({RMSPROP: (0.0, 0.004), ADAM: (0.2, 0.004)}),  # no tie
        made({RMSPROP: (0.0, 0.1), ADAM: (0.0, 0.1)}),  # open
        made({RMSPROP: (0.0, 0.004)}),
        Outcomes([*made({RMSPROP: (0.0, 0.004), Cell("sgd", 0.1): (0.5, 0.004)}).rows, Outcome(*ADAM, 0, 1.0)]),
    ],
)
def test_there_is_none_unless_several_cells_are_surely_within_delta(outcomes: Outcomes) -> None:
    answer = find_answer(outcomes)
    assert answer.preference is None
    assert not any("prefer" in sentence for sentence in evidence(answer))
    assert answer_data(outcomes, answer)["preferred"] is None


def test_it_is_said_to_be_no_evidence() -> None:
    answer = find_answer(WIDE)
    (sentence,) = (sentence for sentence in evidence(answer) if "prefer" in sentence)
    assert sentence.startswith("Surely within 5% of the best as well: adam 0.01")
    assert "adam 0.01 has the widest usable band, 0.5 decades (next, " in sentence
    assert sentence.endswith("a reason to prefer it, but no evidence that it is better.")
    data = answer_data(WIDE, answer)["preferred"]
    assert (data["optimizer"], data["lr"], data["reason"]) == ("adam", 0.01, "wider usable band")
