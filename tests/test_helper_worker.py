"""The worker that runs the preflight, killed as it does."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from lrstudy.errors import LearningRateStudyError
from lrstudy.settings import TrainSettings
from lrstudy.study import worker_tasks
from lrstudy.study.helper_worker import HelperWorker
from lrstudy.study.training_workers import TrainingWorkers


def die_in_preflight(trainings: Sequence[TrainSettings], *, time_epochs: bool) -> str:
    """Die as often as the file `deaths` says, then return the arguments."""
    deaths = Path("deaths")
    if left := int(deaths.read_text()):
        deaths.write_text(str(left - 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{len(trainings)} {time_epochs}"


@pytest.fixture(autouse=True)
def _dying_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_tasks, "run_preflight", die_in_preflight)
    monkeypatch.setattr(worker_tasks, "warm_up_exporter", os.getpid)  # which takes seconds


def test_a_preflight_whose_worker_is_killed_is_retried() -> None:
    Path("deaths").write_text("2")
    with HelperWorker([TrainSettings()] * 3, time_epochs=True) as helper:
        assert str(helper.preflight()) == "3 True"
    Path("deaths").write_text("1")
    with TrainingWorkers(TrainSettings()) as workers:
        assert str(workers.preflight()) == "1 False"


def test_a_preflight_whose_worker_is_killed_at_every_try_is_an_error_of_one_sentence() -> None:
    Path("deaths").write_text("9")
    sentence = r"cannot be tried out: the worker process was killed by signal 9 \(3 tries\); is there too little memory"
    helper = HelperWorker([TrainSettings()], time_epochs=True)
    with helper, pytest.raises(LearningRateStudyError, match=sentence):
        helper.preflight()
