"""The report's reasons why the cells of a grid lose."""

import os
from pathlib import Path

import pandas as pd
import pytest

from known_runs import falling, log_study, log_training
from lrstudy.report.command_line import report
from lrstudy.server_names import DEAD_UNITS, LR_OVER_BEST_STEP, LR_OVER_CRITICAL, NO_DESCENT


def logged(study: str, lr: str, floor: float, verdict: str, seed: str = "0", **causes: list[float]) -> None:
    curves = falling(floor)
    names = {"critical": LR_OVER_CRITICAL, "best": LR_OVER_BEST_STEP, "dead": DEAD_UNITS, "uphill": NO_DESCENT}
    curves |= {names[name]: values for name, values in causes.items()}
    tags = {"lrstudy.verdict": verdict, "mlflow.note.content": f"**{verdict}**: as the losses say.\n\nMore."}
    diagnose = str(bool(causes)).lower()
    experiment = os.environ["MLFLOW_EXPERIMENT_ID"]
    log_training(experiment, curves, parent=study, tags=tags, lr=lr, seed=seed, optimizer="adam", diagnose=diagnose)


@pytest.mark.usefixtures("tracking_uri")
def test_the_report_says_of_each_loser_why_it_loses() -> None:
    study = log_study(os.environ["MLFLOW_EXPERIMENT_ID"])
    # Values at steps 0, 1, … are those of epochs; a training measures none in epoch 0, which changes no sentence.
    logged(study, "0.1", 2.0, "collapsed", critical=[0.5, 7.31], dead=[0.1, 0.72])
    logged(study, "0.01", 0.2, "good", critical=[0.2, 0.3])
    logged(study, "0.01", 0.2, "good", seed="1")
    logged(study, "0.001", 1.0, "too slow", critical=[0.01], best=[0.02])
    logged(study, "0.0001", 1.5, "too slow")
    logged(study, "0.003", 0.21, "good", critical=[0.1])
    logged(study, "1", 2.2, "diverged", uphill=[1.0, 1.0])
    report([])
    page = Path("report/index.html").read_text(encoding="utf-8")
    section = page.partition("Why the others lose</h")[2].partition("Loss curves</h")[0]
    for sentence in (
        "adam 0.1 falls back to guessing, since it overshoots: in epoch 1 a step was 7.3 times too long, and 72% of",
        "adam 0.001 is too slow: each step went 1/50 of the way that lowers the loss most.",
        "adam 0.0001 is too slow: as the losses say.",
        "adam 0.003 trains well, but its validation loss, ",
        "adam 1 diverges, since it overshoots: in epoch 0 steps led uphill from their beginning.",
    ):
        assert sentence in section, sentence
    assert "adam 0.01 " not in section
    table = pd.read_csv("report/tables/causes.csv").set_index("lr")
    assert table.lr_over_critical.to_dict() == pytest.approx(
        {0.1: 7.31, 0.01: 0.3, 0.001: 0.01, 0.003: 0.1, 1: float("nan")}, nan_ok=True
    )
    assert set(table.group) == {1}
    assert Path("report/figures/overshooting.svg").exists()


@pytest.mark.usefixtures("tracking_uri")
def test_without_causes_there_are_sentences_and_no_figure() -> None:
    study = log_study(os.environ["MLFLOW_EXPERIMENT_ID"])
    logged(study, "0.1", 2.0, "unstable")
    logged(study, "0.01", 0.2, "good")
    report([])
    page = Path("report/index.html").read_text(encoding="utf-8")
    assert "adam 0.1 is unstable: as the losses say." in page
    assert not list(Path("report/figures").glob("overshooting*"))
    assert not Path("report/tables/causes.csv").exists()
