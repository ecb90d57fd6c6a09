"""The end of a training or a study: the model's id, its entry in the registry, and commands that can be pasted."""

import re
import shlex

import mlflow
import pytest
from mlflow import MlflowClient

from lrstudy.settings import TrainSettings
from lrstudy.settings.mlproject import ENTRY_POINTS
from lrstudy.study.next_steps import commands
from page_commands import as_script
from servers import Front
from studies import only_run, run_script, run_study, studies, trainings

SHORT = ("--hidden", "4", "--batch_size", "600", "--epochs", "1")
GRID = (*SHORT, "--optimizers", "sgd,adam", "--lrs", "0.01")


@pytest.mark.usefixtures("tracking_uri")
def test_a_study_registers_its_best_model_as_the_champion_and_an_earlier_one_keeps_its_version() -> None:
    client = MlflowClient()
    first = run_script("train.py", *SHORT, "--register", "digits of mine")
    assert first.returncode == 0, first.stderr
    assert "registered: models:/digits of mine@champion, version 1\n" in first.stdout
    assert "-P model='models:/digits of mine@champion'" in first.stdout
    alone = only_run()
    grid = run_study("grid", *GRID, "--register", "digits of mine")
    assert grid.returncode == 0, grid.stderr
    champion = client.get_model_version_by_alias("digits of mine", "champion")
    (study,) = studies()
    best = study.data.tags["lrstudy.best_run"]
    assert (str(champion.version), champion.run_id) == ("2", best)
    assert client.get_model_version("digits of mine", "1").run_id == alone.info.run_id
    assert champion.tags["lrstudy.data_digest"] == study.data.tags["lrstudy.data_digest"]
    assert champion.tags["lrstudy.classes"] == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert champion.tags["lrstudy.answer"] in grid.stdout
    assert champion.tags["lrstudy.confidence"]
    assert champion.tags["lrstudy.report"] == f"runs:/{study.info.run_id}/report/index.html"
    assert f"- report: runs:/{study.info.run_id}/report/index.html" in str(champion.description)
    (model,) = [m for m in mlflow.search_logged_models(output_format="list") if m.source_run_id == best]
    assert f"model: models:/{model.model_id}, of run {best}\n" in grid.stdout
    again = run_study("grid", *GRID, "--register", "digits of mine")
    assert "registered: models:/digits of mine@champion, version 2\n" in again.stdout
    assert len(client.search_model_versions("name = 'digits of mine'")) == 2
    assert len(trainings()) == 3


def test_a_server_without_a_registry_is_one_sentence_and_nothing_else_is_lost(front: Front) -> None:
    front.only, front.how = "registered-models|model-versions", "answer 404"
    ended = run_script("train.py", *SHORT, "--register", "digits")
    assert ended.returncode == 0, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if "register=" in line]
    assert re.fullmatch(
        r"warning: register='digits': the model is not registered: the model registry of http\S+ cannot be used "
        r"\(it answers 404\)[.] All else is complete[.]",
        line,
    )
    front.how = "pass on"
    run = only_run()
    assert run.info.status == "FINISHED"
    (model,) = mlflow.search_logged_models([run.info.experiment_id], output_format="list")
    assert model.status.value == "READY"
    assert f"predict: mlflow run . --env-manager uv -e predict -P model=models:/{model.model_id} " in ended.stdout


def test_the_printed_commands_are_commands_of_this_project() -> None:
    settings = TrainSettings(epochs=30)
    predict, serve, longer = (line.partition(": ")[2] for line in commands("models:/m-1", "abc", settings))
    assert as_script(predict) == ["src/predict.py", "--model", "models:/m-1", "--images", "FOLDER"]
    assert as_script(longer) == ["src/train.py", "--continue_from", "abc", "--epochs", "60"]
    assert {"model", "images"} <= set(ENTRY_POINTS["predict"][1].model_fields)
    assert shlex.split(serve)[:5] == ["mlflow", "models", "serve", "--model-uri", "models:/m-1"]


def test_a_schedule_that_ends_has_no_command_to_continue_and_a_run_without_model_none_to_serve() -> None:
    lines = commands(None, "abc", TrainSettings(schedule="cosine"))
    assert [line.partition(":")[0] for line in lines] == ["predict"]
    assert "-P model=abc " in lines[0]
