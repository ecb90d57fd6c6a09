"""The answer to a study is the same in the terminal, its description on the server, the report and its summary."""

from pathlib import Path

import mlflow
import pytest

from lrstudy.report.command_line import report
from lrstudy.report.group_report import build_report
from lrstudy.report.load_runs import load_runs
from lrstudy.report.summary import summarize
from studies import run_script, studies

ONE_SEED = ("--optimizers", "adam,sgd", "--lrs", "0.01,0.1", "--epochs", "30", "--hidden", "16")
# Five seeds of a good and of a hopeless cell, and one whose losses are mostly luck.
FIVE_SEEDS = ("--optimizers", "adam", "--lrs", "0.01,0.00001,0.3", "--epochs", "30", "--hidden", "16", "--seeds", "5")
TOO_SHORT = ("--optimizers", "sgd", "--lrs", "0.01,0.001", "--epochs", "1", "--hidden", "16")


@pytest.mark.usefixtures("tracking_uri")
@pytest.mark.parametrize(
    ("settings", "state", "beginning"),
    [
        (ONE_SEED, "open", "Open: adam with a learning rate of 0.01 is the best so far"),
        (FIVE_SEEDS, "recommended", "Use adam with a learning rate of 0.01"),
        (TOO_SHORT, "nothing_learned", "No training learned"),
    ],
)
def test_the_answer_is_one_everywhere(
    settings: tuple[str, ...], state: str, beginning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run_script("grid.py", *settings)
    assert ended.returncode == 0, ended.stderr
    content = summarize(build_report(load_runs()))
    headline, evidence = content["headline"], content["groups"][0]["evidence"]
    assert content["state"] == state
    assert headline.startswith(beginning)
    description = studies()[0].data.tags["mlflow.note.content"]
    assert description.startswith(f"**{headline}.** ")
    assert f"\n{headline}.\n" in ended.stdout
    assert bool(evidence) == (state != "nothing_learned")
    for sentence in evidence:
        assert f"\n{sentence}\n" in ended.stdout
        assert f"\n- {sentence}" in description
    report([])
    assert capsys.readouterr().out.startswith(f"{headline}.\n")
    page = Path("report/index.html").read_text()
    assert f"<strong>{headline}</strong>" in page
    assert all(f">{sentence}</" in page for sentence in evidence)
    assert ('class="answer recommended"' in page) == (state == "recommended")

    again = run_script("grid.py", *settings)
    first, second = studies()
    ends = [run.stdout[run.stdout.index("\nreport: artifact") :] for run in (ended, again)]
    assert ends[0] == ends[1]
    assert f"The report is that of run {first.info.run_id}" in second.data.tags["mlflow.note.content"]
    paths = [{file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)} for run in studies()]
    assert "report" in paths[0]
    assert not paths[1]
