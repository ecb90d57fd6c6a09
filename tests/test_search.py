"""The search through its entry point, into a real tracking database."""

import json
import math
from pathlib import Path

import mlflow
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from lrstudy.cli.command_line import parse
from lrstudy.errors import SettingsError
from lrstudy.settings import SearchSettings
from lrstudy.study.optuna_study import study_file
from lrstudy.study.search import PRUNERS, SAMPLERS
from studies import children, curves, run_script, run_study, studies, trainings

SMALL = ("--epochs", "3", "--hidden", "16", "--trials", "3")


@pytest.mark.usefixtures("tracking_uri")
class TestASearch:
    def test_a_search_in_which_all_trials_diverged_has_no_best_and_fails(self) -> None:
        settings = ("--optimizer", "sgd", "--low", "1e8", "--high", "1e9", "--log-models", "all")
        ended = run_study("search", *settings, *SMALL[:-1], "2")
        assert ended.returncode == 2
        assert "error: none of the 2 trainings trained: 2 diverged; try learning rates below" in ended.stderr
        assert ended.stdout.count("diverged") == 2
        assert "best" not in ended.stdout
        (study,) = studies()
        assert study.info.status == "FAILED"
        assert not [name for name in (*study.data.params, *study.data.metrics) if name.startswith("best")]
        assert "none of the 2 trainings trained" in study.data.tags["mlflow.note.content"]

    def test_a_search_that_is_started_again_trains_only_missing_trials(self, tmp_path: Path) -> None:
        ended = run_script("search.py", "--optimizer", "sgd", *SMALL, "--study-file", "study.log")
        assert ended.returncode == 0, ended.stderr
        (study,) = studies()
        assert (study.info.status, study.info.run_name) == ("FINISHED", "search sgd 3 digits")
        trials = children(study)
        assert len(trials) == 3
        best = min(trials, key=lambda run: run.data.metrics["best/val_loss"])
        assert study.data.tags["lrstudy.best_run"] == best.info.run_id
        assert study.data.params["best.lr"] == best.data.params["lr"]
        assert study.data.metrics["best/val_loss"] == best.data.metrics["best/val_loss"]
        self.check_optuna(study.info.run_id, {run.info.run_id: run for run in trials}, tmp_path)

        again = run_study("search", "--optimizer", "sgd", *SMALL[:-1], "5", "--study-file", "study.log")
        assert again.returncode == 0, again.stderr
        assert again.stdout.count("reused") == 3
        assert len(trainings()) == 5
        assert {run.info.run_id for run in trials} < {run.info.run_id for run in trainings()}

        other = run_study("search", "--optimizer", "adam", *SMALL, "--study-file", "study.log")
        assert other.returncode == 2
        assert "error: study_file='study.log' belongs to another study (search sgd)" in other.stderr
        assert len(trainings()) == 5

    def check_optuna(self, run_id: str, trials: dict[str, mlflow.entities.Run], folder: Path) -> None:
        client = mlflow.MlflowClient()
        client.download_artifacts(run_id, "", str(folder))
        figures = {path.name for path in (folder / "report" / "figures").iterdir()}
        assert {"grid.png", "loss_against_learning_rate.png", "curves_sgd.png"} <= figures
        assert "Learning-rate report" in (folder / "report" / "index.html").read_text()
        cells = json.loads((folder / "cells.json").read_text())
        assert len(cells["data"]) == len(trials)
        assert {"optimizer", "learning rate", "verdict"} <= set(cells["columns"])
        study = client.get_run(run_id)
        assert json.loads(study.data.tags["mlflow.loggedArtifacts"]) == [{"path": "cells.json", "type": "table"}]
        best = client.get_metric_history(study.data.tags["lrstudy.best_run"], "val_loss")
        curve = client.get_metric_history(run_id, "Log10 loss/val")
        assert [(one.step, one.value) for one in curve] == [(one.step, math.log10(one.value)) for one in best]
        for file in (folder / "optuna_study.log", folder / "study.log"):
            storage = JournalStorage(JournalFileBackend(str(file)))
            stored = optuna.load_study(study_name="search sgd", storage=storage)
            assert {trial.user_attrs["run_id"] for trial in stored.trials} == set(trials)
            for trial in stored.trials:
                run = trials[trial.user_attrs["run_id"]]
                assert trial.value == run.data.metrics["best/val_loss"]
                assert trial.params["lr"] == pytest.approx(float(run.data.params["lr"]), rel=1e-5)

    def test_a_pruned_trial_ends_early_and_is_never_taken_for_a_whole_training(self) -> None:
        settings = ("--optimizer", "adam", "--epochs", "60", "--hidden", "16", "--trials", "10", "--pruner", "median")
        ended = run_study("search", *settings, "--workers", "1")
        assert ended.returncode == 0, ended.stderr
        pruned = [run for run in trainings() if run.data.tags["lrstudy.verdict"] == "pruned"]
        assert pruned
        for run in pruned:
            steps = [step for step, _ in curves(run)["val_loss"]]
            assert steps == list(range(len(steps)))
            assert len(steps) < 61
            assert "lrstudy.key" not in run.data.tags
            assert "test/accuracy" not in run.data.metrics
            assert [file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)] == ["history.csv"]
        again = run_study("search", *settings, "--workers", "1")
        assert again.returncode == 0, again.stderr
        assert again.stdout.count("reused") == 10
        assert len(trainings()) == 10

        lr = pruned[0].data.params["lr"]
        alone = run_study("grid", "--optimizers", "adam", "--lrs", lr, "--epochs", "60", "--hidden", "16")
        assert alone.returncode == 0, alone.stderr
        assert "reused" not in alone.stdout
        assert len(trainings()) == 11


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--low", "1", "--high", "0.1"], "low='1' must be less than high='0.1'"),
        (["--low", "0"], "low='0' must be a finite number greater than 0"),
        (["--high", "inf"], "high='inf' must be a finite number"),
        (["--trials", "0"], "trials='0' must be a whole number of at least 1"),
        (["--trials", "2.5"], "trials='2.5' must be a whole number"),
        (["--optimizer", "sdg"], "optimizer='sdg' is not a known optimizer; did you mean 'sgd'"),
        (["--sampler", "sobol"], "sampler='sobol' must be 'tpe', 'random', 'qmc' or 'gp'"),
        (["--pruner", "mean"], "pruner='mean' must be 'none', 'median', 'halving' or 'hyperband'"),
        (["--optimizer", "adam", "--momentum", "0.9"], "momentum='0.9' has no effect on adam"),
    ],
)
def test_a_bad_setting_is_rejected_in_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        parse(SearchSettings, arguments)


@pytest.mark.parametrize("content", ["", "no journal\n", '{"op_code": 0}\n', None])
def test_a_file_that_is_not_a_study_file_is_not_overwritten(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "notes.txt"
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    with pytest.raises(SettingsError, match="is not an Optuna study file"), study_file(str(path), "it"):
        pass
    assert path.is_dir() if content is None else path.read_text() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["/", ".", "..", "./"])
def test_a_folder_is_rejected_as_study_file(name: str) -> None:
    with pytest.raises(SettingsError, match="is not an Optuna study file"), study_file(name, "it"):
        pass


def test_a_study_file_that_another_study_writes_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    with study_file(str(path), "it") as file:
        file.create("grid", SAMPLERS["random"](0), PRUNERS["none"](1))
        content = path.read_bytes()
        with pytest.raises(SettingsError, match="is in use by another study"), study_file(str(path), "it"):
            pass
        assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["study.log"]


def test_a_study_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"), study_file(str(tmp_path / "file" / "b.log"), "it"):
        pass
