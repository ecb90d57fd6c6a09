"""The report on studies that are unfinished, and on runs that lack metrics, settings or artifacts."""

import json
import math
import shutil
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT
from known_runs import falling, log_study, log_training
from lrstudy.cli.command_line import parse
from lrstudy.settings import GridSettings
from preloaded_process import run_preloaded
from reports import arguments_of, codes, log_seeds, summary, written_summary

# Run in a preloaded process with the path of a copy of report.py: the copy's package is imported, not the project's.
FROM_COPY = """
import runpy, sys
for name in [name for name in sys.modules if name.partition(".")[0] == "lrstudy"]:
    del sys.modules[name]
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class TestAnUnfinishedStudy:
    @pytest.mark.parametrize(
        ("status", "state"), [("RUNNING", "is running or was killed"), ("KILLED", "did not finish")]
    )
    def test_names_its_missing_trainings_and_the_command_that_resumes_it(
        self, experiment: str, status: str, state: str
    ) -> None:
        settings = {"optimizers": "sgd,adam", "lrs": "0.1,.01", "hidden": "8", "seeds": "2", "epochs": "4"}
        study = log_study(experiment, **settings)
        mlflow.MlflowClient().update_run(study, status)
        for seed in (0, 1):
            log_training(experiment, falling(0.2), parent=study, optimizer="sgd", lr="1e-1", seed=seed)
        log_training(experiment, falling(0.2), parent=study, optimizer="sgd", lr="0.01", status="RUNNING")
        content = summary()
        (one,) = [one for one in content["warnings"] if one["code"] == "incomplete"]
        assert state in one["text"]
        assert "6 of its 8 trainings have not finished. No training of adam has finished." in one["text"]
        went_on = parse(GridSettings, arguments_of(one["command"]))
        assert (went_on.optimizers, went_on.lrs, went_on.seeds) == (("sgd", "adam"), (0.1, 0.01), 2)

    def test_counts_its_trials_if_it_is_a_search(self, experiment: str) -> None:
        study = log_study(experiment, "search", optimizer="all", trials="2", hidden="8")
        mlflow.MlflowClient().update_run(study, "KILLED")
        for lr in ("0.1", "0.017"):
            log_training(experiment, falling(0.2), parent=study, optimizer="sgd", lr=lr)
        log_training(experiment, falling(0.2), parent=study, optimizer="adam", lr="0.2")
        (text,) = [one["text"] for one in summary()["warnings"] if one["code"] == "incomplete"]
        assert "5 of its 8 trainings have not finished. No training of rmsprop and adagrad has finished." in text

    def test_with_all_its_trainings_has_no_warning(self, experiment: str) -> None:
        study = log_study(experiment, optimizers="adam", lrs="0.1", hidden="8", seeds="1")
        mlflow.MlflowClient().update_run(study, "FAILED")
        log_training(experiment, falling(0.2), parent=study, lr="0.1")
        assert "incomplete" not in codes(summary())


def test_where_no_training_is_better_than_guessing_the_page_recommends_none(experiment: str) -> None:
    guesses = {"val_loss": [0.7, 0.66, 0.65], "train_loss": [0.7, 0.65, 0.64], "val_accuracy": [0.6, 0.7, 0.7]}
    table = "true class / predicted class,cat,dog\ncat,0,10\ndog,0,20\n"
    for lr in ("0.1", "0.01"):
        run = log_training(experiment, guesses, lr=lr, tags={"lrstudy.verdict": "good"})
        mlflow.MlflowClient().log_text(run, table, "confusion_matrix.csv")
    content = written_summary()
    assert (content["state"], content["recommendation"], content["best_so_far"]) == ("nothing_learned", None, None)
    page = Path("report/index.html").read_text()
    assert '<div class="answer nothing_learned">' in page
    assert "No training learned" in page
    assert "good, best" not in page


class TestWhereThingsAreMissing:
    def test_a_single_cell_is_the_best_so_far_and_not_a_recommendation(self, experiment: str) -> None:
        log_training(experiment, falling(0.1), seed=0)
        content = written_summary()
        assert (content["state"], content["recommendation"]) == ("single", None)
        assert content["best_so_far"]["lr"] == 0.001
        assert content["best_so_far"]["runner_up"] is None
        assert "the width of its usable band is not known" in Path("report/index.html").read_text()
        assert "not_bracketed" in codes(content)

    def test_where_all_diverged_nothing_is_recommended(self, experiment: str) -> None:
        for lr in ("1", "10"):
            log_training(experiment, {"val_loss": [2.3, math.nan], "train_loss": [2.3, math.inf]}, lr=lr)
        content = written_summary()
        assert (content["state"], content["recommendation"], content["best_so_far"]) == ("all_diverged", None, None)
        assert codes(content) == ["all_diverged"]
        assert "No learning rate tried can be recommended" in Path("report/index.html").read_text()
        assert [row["verdict"] for row in content["cells"]] == ["diverged", "diverged"]

    def test_a_study_without_finished_trainings_is_reported(self, experiment: str) -> None:
        log_training(experiment, falling(0.1), status="RUNNING")
        content = written_summary()
        assert content["state"] == "nothing_finished"
        assert codes(content) == ["nothing_finished", "unfinished"]
        assert content["cells"] == []

    def test_without_accuracies_or_training_losses_the_rest_is_reported(self, experiment: str) -> None:
        for lr in ("0.1", "0.01"):
            log_training(experiment, {"val_loss": [2.3, float(lr)]}, lr=lr)
        content = written_summary()
        assert content["best_so_far"]["best_val_loss"] == 0.01
        assert content["best_so_far"]["best_val_accuracy"] is None
        assert [sentence for sentence in content["left_out"] if "val_accuracy" in sentence]

    def test_with_final_metrics_alone_they_count(self, experiment: str) -> None:
        for lr in ("0.1", "0.01"):
            run = log_training(experiment, {}, lr=lr)
            mlflow.MlflowClient().log_metric(run, "best/val_loss", float(lr))
            mlflow.MlflowClient().log_metric(run, "best/val_accuracy", 1 - float(lr))
        content = written_summary()
        assert (content["best_so_far"]["lr"], content["best_so_far"]["best_val_accuracy"]) == (0.01, 0.99)

    def test_away_from_the_project_there_are_no_commands(self, experiment: str, tmp_path: Path) -> None:
        for lr in ("0.1", "0.01"):
            log_seeds(experiment, float(lr), lr=lr)
        for folder in ("analysis", "src"):
            shutil.copytree(ROOT / folder, tmp_path / "elsewhere" / folder)
        made = run_preloaded(["-c", FROM_COPY, str(tmp_path / "elsewhere" / "analysis" / "report.py")])
        assert (made.returncode, made.stderr) == (0, "")
        assert json.loads(Path("report/summary.json").read_text())["recommendation"]["command"] is None

    def test_a_metric_that_some_runs_lack_is_reported(self, experiment: str) -> None:
        log_training(experiment, falling(0.1))
        log_training(experiment, {"val_loss": falling(0.2)["val_loss"]}, lr="0.1")
        left_out = summary()["left_out"]
        assert "1 of 2 finished runs lack the metric val_accuracy." in left_out

    def test_an_unreachable_artifact_store_is_reported(self, experiment: str) -> None:
        log_training(experiment, falling(0.1), tags={"lrstudy.verdict": "good"})
        content = summary()  # no artifact was ever logged
        (sentence,) = content["left_out"]
        assert sentence.startswith("The number of validation images per class is not known: the artifact")

    def test_other_programs_runs_and_unreadable_ones_are_left_out_and_reported(self, experiment: str) -> None:
        log_training(experiment, falling(0.1))
        log_training(experiment, falling(0.01), lr="fast")
        log_training(experiment, falling(0.01), lr="-1")
        log_training(experiment, falling(0.01), lr="inf")
        mlflow.MlflowClient().create_run(experiment)
        content = summary()
        assert content["runs"]["foreign"] == 1
        assert content["runs"]["by_status"] == {"finished": 1, "without a learning rate": 3}
        assert any("3 runs have no learning rate above 0" in sentence for sentence in content["left_out"])

    def test_trainings_without_a_verdict_are_reported(self, experiment: str) -> None:
        log_training(experiment, falling(0.1))
        log_training(experiment, falling(0.2), lr="0.1", tags={"lrstudy.verdict": "good"})
        assert any(one.startswith("1 training has no verdict") for one in summary()["left_out"])

    def test_the_warnings_about_the_images_are_repeated(self, experiment: str) -> None:
        run = log_training(experiment, falling(0.1))
        copies = "2 images have copies with the same pixels; duplicates=drop leaves such images out of training"
        mlflow.MlflowClient().log_dict(run, {"warnings": [copies]}, "data.json")
        assert [one["text"] for one in summary()["warnings"] if one["code"] == "data"] == [f"{copies}."]

    def test_where_a_grid_of_all_learning_rates_would_be_long_the_best_ones_are_suggested(
        self, experiment: str
    ) -> None:
        for number in range(13):
            log_training(experiment, falling(0.1 + 0.01 * number), lr=f"0.00{number + 10}", epochs="4")
        commands = {one["code"]: one["command"] for one in summary()["warnings"]}
        assert "-P lrs=0.0012,0.0011,0.0010 -P hidden=8 -P seeds=3" in commands["one_seed"]

    def test_trainings_on_several_kinds_of_processors_are_warned_of(self, experiment: str) -> None:
        machines = ("CPU A, 2 cores, 8 GiB", "CPU A, 64 cores, 256 GiB", "GPU; CPU A, 2 cores, 8 GiB")
        for seed, machine in enumerate(machines[:2]):
            log_training(experiment, falling(0.1), seed=seed, tags={"lrstudy.hardware": machine})
        assert "processors" not in codes(summary())
        log_training(experiment, falling(0.1), seed=2, tags={"lrstudy.hardware": machines[2]})
        (text,) = [one["text"] for one in summary()["warnings"] if one["code"] == "processors"]
        assert text.startswith("The trainings ran on 2 kinds of processors: CPU A (2) and GPU; CPU A (1). Rounding ")

    def test_small_classes_are_warned_of(self, experiment: str) -> None:
        run = log_training(experiment, falling(0.1), tags={"lrstudy.verdict": "good"})
        table = "true class / predicted class,cat,dog\ncat,9,0\ndog,1,20\n"
        mlflow.MlflowClient().log_text(run, table, "confusion_matrix.csv")
        content = summary()
        (text,) = [one["text"] for one in content["warnings"] if one["code"] == "small_classes"]
        assert text == "1 of 2 classes has fewer than 10 validation images: cat (9)."
        assert content["left_out"] == []
