"""The early stop of trainings that fail, in a decision."""

import gzip
import json
import math
import re
from collections import Counter
from dataclasses import replace

import pytest

from lrstudy.report.group_report import build_report
from lrstudy.report.load_runs import load_runs
from lrstudy.settings import DecideSettings
from lrstudy.statistics.outcomes import FAILED
from lrstudy.study.budget import TrainingsBudget
from lrstudy.study.decide import Decide
from lrstudy.study.early_stop import NOT_BETTER, failure_at_half
from lrstudy.study.optuna_study import study_file
from lrstudy.training.epoch import Epoch
from made_trials import DATA, done
from studies import curve, run_study, studies, trainings
from trained_pools import FOLDER

GUESSING = math.log(10)


def epochs(*losses: float, accuracy: float = 0.1) -> list[Epoch]:
    """Return epochs with these losses of both splits, epoch 0 first."""
    return [Epoch(number, loss, accuracy, loss, accuracy, 1.0, 0.1) for number, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("history", "word"),
    [
        (epochs(2.31, 9.0, 2.31, 2.31), "collapsed"),
        (epochs(2.31, 9.0, 90.0, 900.0), "diverged"),
        (epochs(2.31, 9.0, 2.31), None),  # before half of the epochs
        (epochs(2.31, 9.0, 2.31, 2.31, 2.31), None),  # after it
        (epochs(2.31, 2.0, 2.31, 2.31), None),  # it was better than guessing
        (epochs(2.31, 2.30, 2.30, 2.30), None),  # too slow, which is no failure
        (epochs(2.31, 2.1, 1.0, 0.1, accuracy=0.9), None),
    ],
)
def test_a_training_is_stopped_if_it_has_failed_at_half_of_its_epochs(history: list[Epoch], word: str | None) -> None:
    verdict = failure_at_half(history, 6, replace(DATA, chance_loss=GUESSING))
    assert (verdict and verdict.word) == word


def test_short_trainings_go_to_their_end() -> None:
    assert failure_at_half(epochs(2.31, 9.0, 90.0), 3, DATA) is None


@pytest.mark.parametrize("earlier", ["good", "collapsed"])
def test_trainings_are_stopped_only_if_an_earlier_one_has_learned(earlier: str) -> None:
    settings = DecideSettings(epochs=6, batch_size=64)
    with study_file("auto", "it") as file:
        decide = Decide(settings, file, window=4, budget=TrainingsBudget(10))
        for number in range(5):
            training = decide.propose()
            assert training is not None
            if number < 4:
                decide.tell(done(number, training, 0.3, earlier if number == 0 else "collapsed"))
        stops = [decide.verdict_to_stop(4, epoch) for epoch in epochs(2.31, 9.0, 90.0, 900.0)]
    assert [bool(stop) for stop in stops] == [False, False, False, earlier == "good"]


@pytest.mark.usefixtures("tracking_uri")
def test_a_decision_stops_a_training_that_collapses_reuses_it_and_counts_it_as_failed() -> None:
    command = "--optimizers=adam,sgd --momentum=0.97 --epochs=8 --batch_size=64 --trainings=8"
    for _ in range(2):
        ended = run_study("decide", *command.split())
        assert ended.returncode == 0, ended.stderr
        assert re.search(r"sgd momentum=0.97 +0.316 +1 +2\.\d+ .* collapsed", ended.stdout)
        assert "since a training diverged or collapsed: sgd momentum=0.97 0.316." in ended.stdout
        (stopped,) = [run for run in trainings() if "lrstudy.pruned_key" in run.data.tags]
        assert stopped.data.tags["lrstudy.verdict"] == "collapsed"
        assert max(curve(stopped, "val_loss")) == 4
        assert len(trainings()) == 8
    (group,) = build_report(load_runs(study=studies()[-1].info.run_id)).group_reports
    assert "Not recommended, since a training diverged or collapsed: sgd momentum=0.97 0.316." in group.answer.details


def test_no_stored_training_that_learned_nothing_in_its_first_half_ended_near_the_best() -> None:
    counts = Counter[str]()
    for path in FOLDER.glob("*.json.gz"):
        records = json.loads(gzip.decompress(path.read_bytes()))
        lowest = min(record["best_val_loss"] or math.inf for record in records)
        for record in records:
            losses = [loss or math.inf for loss in record["val_loss"]]
            counts["trainings"] += 1
            if min(losses[: math.ceil(len(losses[1:]) / 2) + 1]) >= NOT_BETTER * record["chance_loss"]:
                counts["learned nothing"] += 1
                counts["failed"] += record["verdict"] in FAILED
                assert record["verdict"] in FAILED or record["best_val_loss"] > 25 * lowest
    assert counts == {"trainings": 1100, "learned nothing": 63, "failed": 53}
