"""`python analysis/report.py`, the command that a user types, on databases with known content."""

import csv
import importlib
import json
import math
import os
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import mlflow
import pytest

from conftest import ROOT
from known_runs import falling, log_study, log_training
from lrstudy.cli.command_line import parse
from lrstudy.errors import ReportError
from lrstudy.report.command_line import report
from lrstudy.report.comparison import Comparison
from lrstudy.report.group_report import build_report
from lrstudy.report.grouping import group_runs
from lrstudy.report.load_runs import load_runs
from lrstudy.report.summary import summarize
from lrstudy.report.warnings import ReportWarning, find_warnings
from lrstudy.settings import GridSettings, SearchSettings, TrainSettings
from preloaded_process import run_preloaded
from studies import run_script

REPORT = ROOT / "analysis" / "report.py"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_preloaded([str(REPORT), *arguments])


def summary() -> dict[str, Any]:
    """Return the summary of the latest study's report, without writing the report, which takes seconds to draw."""
    return strict_json(json.dumps(summarize(build_report(load_runs())), allow_nan=False))


def written_summary(*arguments: str) -> dict[str, Any]:
    """Write a report in this process, which saves a start; return its summary."""
    report(list(arguments))
    return strict_json(Path("report/summary.json").read_text())


def strict_json(text: str) -> dict[str, Any]:
    def reject(constant: str) -> None:
        raise AssertionError(constant)

    content: dict[str, Any] = json.loads(text, parse_constant=reject)
    return content


def rows(name: str) -> list[dict[str, str]]:
    with Path("report/tables", name).open(newline="") as file:
        return list(csv.DictReader(file))


def codes(content: dict[str, Any]) -> list[str]:
    return [one["code"] for one in content["warnings"]]


@pytest.fixture
def experiment(tracking_uri: str) -> str:
    return os.environ["MLFLOW_EXPERIMENT_ID"]


def log_seeds(experiment: str, floor: float, **settings: Any) -> None:
    """Log a cell of three seeds whose losses differ by 1%."""
    for seed in range(3):
        log_training(experiment, falling(floor * (1 + seed / 100)), seed=seed, **settings)


def log_random_grid(experiment: str) -> str:
    """Log three optimizers × four learning rates × three seeds with jagged curves; return the study."""
    draw = random.Random(1)
    study = log_study(experiment, seeds="3", hidden="8")
    for optimizer in ("sgd", "adam", "adagrad"):
        for lr in ("1e-3", ".01", "0.1", "1"):
            for seed in range(3):
                floor = draw.uniform(0.1, 1.5)
                curves = falling(floor, 10)
                jagged = {name: [value * draw.uniform(0.9, 1.1) for value in some] for name, some in curves.items()}
                run = log_training(experiment, jagged, parent=study, optimizer=optimizer, lr=lr, seed=seed)
                mlflow.MlflowClient().log_metric(run, "test/accuracy", draw.random())
    return study


def test_every_number_equals_the_one_computed_from_the_database(experiment: str, tmp_path: Path) -> None:
    log_random_grid(experiment)
    content = written_summary()
    by_seed = _curves_from_sql(tmp_path / "mlflow.db")
    cells = {place: _means(seeds) for place, seeds in by_seed.items()}
    assert len(content["cells"]) == len(rows("cells.csv")) == 12
    for row in (*content["cells"], *rows("cells.csv")):
        own = cells[row["optimizer"], float(row["lr"])]
        for name, expected in own.items():
            assert float(row[name]) == pytest.approx(expected, rel=1e-9), (row["optimizer"], row["lr"], name)
    logs = {place: fmean(math.log(min(one["val_loss"])) for one in seeds) for place, seeds in by_seed.items()}
    ranked = sorted(logs, key=logs.__getitem__)
    assert [(row["optimizer"], row["lr"]) for row in content["cells"]] == ranked
    assert [row["rank"] for row in content["cells"]] == list(range(1, 13))
    chosen = content["best_so_far"]
    assert content["state"] == "open", "all cells are drawn alike"
    assert (chosen["optimizer"], chosen["lr"], chosen["n"]) == (*ranked[0], 3)
    tests = _final("test/accuracy", tmp_path / "mlflow.db", *ranked[0])
    assert chosen["test_accuracy"] == pytest.approx(statistics.fmean(tests))
    assert chosen["test_accuracy_sd"] == pytest.approx(statistics.stdev(tests))
    assert (chosen["runner_up"]["optimizer"], chosen["runner_up"]["lr"]) == ranked[1]


def _curves_from_sql(path: Path) -> dict[tuple[str, float], list[dict[str, list[float]]]]:
    """Return the curves of each cell's trainings, from the metrics table itself."""
    by_seed: dict[tuple[str, float], list[dict[str, list[float]]]] = defaultdict(list)
    with closing(sqlite3.connect(path)) as database:
        params: dict[str, dict[str, str]] = defaultdict(dict)
        for run, key, value in database.execute("select run_uuid, key, value from params"):
            params[run][key] = value
        for run, settings in params.items():
            if "optimizer" not in settings:
                continue
            query = "select key, value from metrics where run_uuid = ? order by step"
            curves: dict[str, list[float]] = defaultdict(list)
            for key, value in database.execute(query, (run,)):
                curves[key].append(value)
            by_seed[settings["optimizer"], float(settings["lr"])].append(curves)
    return by_seed


def _means(seeds: list[dict[str, list[float]]]) -> dict[str, float]:
    best = [min(range(11), key=one["val_loss"].__getitem__) for one in seeds]
    lowest = [min(one["val_loss"]) for one in seeds]
    falls = [
        [after < before for before, after in zip(one["train_loss"], one["train_loss"][1:], strict=False)]
        for one in seeds
    ]
    return {
        "n": 3,
        "best_val_loss": sum(lowest) / 3,
        "best_val_loss_sd": statistics.stdev(lowest),
        "best_val_accuracy": sum(one["val_accuracy"][at] for one, at in zip(seeds, best, strict=True)) / 3,
        "best_epoch": sum(best) / 3,
        "final_train_loss": sum(one["train_loss"][-1] for one in seeds) / 3,
        "final_val_loss": sum(one["val_loss"][-1] for one in seeds) / 3,
        "generalisation_gap": sum(one["val_loss"][-1] - one["train_loss"][-1] for one in seeds) / 3,
        "steadiness": sum(sum(some) / 10 for some in falls) / 3,
    }


def _final(metric: str, path: Path, optimizer: str, lr: float) -> list[float]:
    query = (
        "select m.value from latest_metrics m join params o on o.run_uuid = m.run_uuid and o.key = 'optimizer' "
        "join params l on l.run_uuid = m.run_uuid and l.key = 'lr' "
        "where m.key = ? and o.value = ? and cast(l.value as real) = ?"
    )
    with closing(sqlite3.connect(path)) as database:
        return [value for (value,) in database.execute(query, (metric, optimizer, lr))]


def test_every_field_of_the_summary_is_described(experiment: str) -> None:
    log_random_grid(experiment)
    described = set(re.findall(r"`([\w.]+)`", (ROOT / "docs" / "reference" / "summary-json.md").read_text()))
    described |= {part for name in described for part in name.split(".")}
    assert sorted(_fields(summary()) - described) == []


def _fields(value: object) -> set[str]:
    """Return the names of all fields except those that are names of settings or statuses."""
    if isinstance(value, dict):
        within = (_fields(one) for name, one in value.items() if name not in ("settings", "by_status", "unranked"))
        return {name for name in value if not name.endswith("_sd")}.union(*within)
    return set().union(*map(_fields, value)) if isinstance(value, list) else set()


def test_the_curves_table_has_the_spread_over_the_seeds(experiment: str) -> None:
    log_training(experiment, {"val_loss": [2.0, 1.0, 0.5], "train_loss": [2.0, 1.0, 0.25]}, seed=0)
    log_training(experiment, {"val_loss": [4.0, 2.0, math.nan], "train_loss": [2.0, 3.0, math.inf]}, seed=1)
    written_summary()
    found = [
        (row["epoch"], row["n"], row["val_loss"], row["val_loss_low"], row["val_loss_high"])
        for row in rows("curves.csv")
    ]
    assert found == [("0", "2", "3.0", "2.0", "4.0"), ("1", "2", "1.5", "1.0", "2.0"), ("2", "1", "0.5", "0.5", "0.5")]
    assert [row["train_loss"] for row in rows("curves.csv")] == ["2.0", "2.0", "0.25"]


def test_an_infinite_loss_does_not_count_among_the_seeds_that_got_so_far(experiment: str) -> None:
    log_training(experiment, {"val_loss": [2.0, math.inf]}, seed=0)
    log_training(experiment, {"val_loss": [4.0, 1.0]}, seed=1)
    written_summary()
    assert [(row["n"], row["val_loss"]) for row in rows("curves.csv")] == [("2", "3.0"), ("1", "1.0")]


# Run with the path of report.py: imports of all libraries that MLflow does not bring along fail, and those of scipy's
# parts that take long and a report of one seed does without.
WITH_MLFLOW_ALONE = """
import importlib, pkgutil, runpy, sys
LIBRARIES = {"torch", "torchvision", "optuna", "psutil", "platformdirs", "filelock", "pebble", "tenacity"}
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LIBRARIES or name in ("scipy.special", "scipy.stats"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
sys.path.insert(0, sys.argv[1].replace("analysis/report.py", "src"))
import lrstudy.report
for module in pkgutil.walk_packages(lrstudy.report.__path__, "lrstudy.report."):
    importlib.import_module(module.name)
    print(module.name)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# Run in a preloaded process with the path of a copy of report.py: the copy's package is imported, not the project's.
FROM_COPY = """
import runpy, sys
for name in [name for name in sys.modules if name.partition(".")[0] == "lrstudy"]:
    del sys.modules[name]
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_it_needs_neither_torch_nor_optuna_nor_anything_else_that_mlflow_does_not_bring_along(experiment: str) -> None:
    log_training(experiment, falling(0.1))
    ended = subprocess.run([sys.executable, "-c", WITH_MLFLOW_ALONE, str(REPORT)], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "lrstudy.report.page" in ended.stdout.splitlines()
    assert "adam with a learning rate of 0.001 is the only training" in ended.stdout


def test_a_study_is_reported_with_its_warnings_and_attached_to_its_run(experiment: str) -> None:
    study = log_study(experiment, hidden="8", lrs="0.1,0.01")
    for lr, floor in (("0.1", 0.5), ("0.01", 0.1)):
        log_training(experiment, falling(floor), parent=study, lr=lr)
    log_training(experiment, falling(0.001), parent=study, lr="0.2", status="KILLED")
    content = written_summary("--log")
    assert content["study"] == study
    assert content["runs"] == {"trainings": 3, "by_status": {"finished": 2, "killed": 1}, "foreign": 0}
    assert (content["state"], content["recommendation"]) == ("open", None)
    assert content["best_so_far"]["lr"] == 0.01
    assert codes(content) == ["not_bracketed", "one_seed", "still_improving", "unfinished"]
    client = mlflow.MlflowClient()
    assert {file.path for file in client.list_artifacts(study, "report")} >= {
        "report/index.html",
        "report/summary.json",
    }
    downloaded = Path(client.download_artifacts(study, "report/summary.json"))
    assert json.loads(downloaded.read_text()) == content


# Each of these signs means something to a shell.
DATA = "'it's a \"folder\"/of $HOME\nand `photos` \\ '"


def test_its_commands_are_ones_that_the_entry_points_take(experiment: str) -> None:
    settings: dict[str, Any] = {"epochs": "4", "hidden": "8", "batch_size": "64", "model": "mlp", "data": DATA}
    study = log_study(experiment, lrs="0.1,0.01", seeds="1", **settings)
    for lr in ("0.1", "0.01"):
        log_training(experiment, falling(float(lr)), parent=study, lr=lr, **settings)
    content = summary()
    more = parse(GridSettings, _arguments(content["best_so_far"]["command"]))
    assert (more.lrs, more.seeds, more.data) == ((0.1, 0.01), 3, DATA)
    commands = {one["code"]: one["command"] for one in content["warnings"]}
    wider = parse(GridSettings, _arguments(commands["not_bracketed"]))
    assert (wider.extend, wider.lrs, wider.epochs, wider.data) == (True, (0.1, 0.01), 4, DATA)
    assert parse(GridSettings, _arguments(commands["one_seed"])).seeds == 3
    assert parse(GridSettings, _arguments(commands["still_improving"])).epochs == 8


def test_the_command_of_a_recommendation_repeats_its_training(experiment: str) -> None:
    settings: dict[str, Any] = {"epochs": "4", "hidden": "8", "batch_size": "64", "model": "mlp", "data": DATA}
    for lr in ("0.1", "0.01"):
        log_seeds(experiment, float(lr), lr=lr, **settings)
    trained = parse(TrainSettings, _arguments(summary()["recommendation"]["command"]))
    assert (trained.optimizer, trained.lr, trained.epochs, trained.hidden) == ("adam", 0.01, 4, (8,))
    assert (trained.batch_size, trained.data) == (64, DATA)


def _arguments(command: str | None) -> list[str]:
    """Return the options that the shell and `mlflow run` make of a command."""
    words = subprocess.run(["sh", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True).stdout.split("\0")
    assert words[:5] == ["mlflow", "run", ".", "--env-manager", "uv"]
    given = [word for before, word in pairwise(words) if before == "-P"]
    return [option for word in given for option in (f"--{word.partition('=')[0]}", word.partition("=")[2])]


def warning(code: str) -> ReportWarning:
    """Return the only warning with this code of a report that is not written, which saves its figures."""
    loaded = load_runs()
    found = find_warnings(Comparison(group_runs(loaded)[0][0]), loaded.study)
    (one,) = [one for one in found if one.code == code]
    return one


class TestTheAdviceForASearch:
    @pytest.mark.parametrize(
        ("lrs", "low", "high", "trials", "said"),
        [
            (("0.002", "0.1", "1"), 1e-5, 10, 20, "The search allowed down to 1e-05 but tried nothing below it."),
            (("1", "0.1", "0.01"), 1e-5, 10, 20, "The search allowed up to 10 but tried nothing above it."),
            (("0.00002", "0.1", "1"), 1e-7, 10, 10, ""),
            (("9", "0.1", "1"), 1e-5, 1000, 10, ""),
            (("0.002",), 1e-5, 10, 20, "tried nothing below it. The search allowed up to 10"),
        ],
    )
    def test_never_narrows_its_range_and_names_what_it_left_out(
        self, experiment: str, lrs: tuple[str, ...], low: float, high: float, trials: int, said: str
    ) -> None:
        limits = {"low": "1e-05", "high": "10.0", "trials": "10"}
        study = log_study(experiment, "search", optimizer="adam", hidden="8", **limits)
        for place, lr in enumerate(lrs):
            log_training(experiment, falling(0.1 * (place + 1)), parent=study, lr=lr)
        one = warning("not_bracketed")
        wider = parse(SearchSettings, _arguments(one.command))
        assert [wider.low, wider.high, wider.trials] == pytest.approx([low, high, trials])
        assert said in one.text
        assert said or "allowed" not in one.text

    def test_goes_lower_if_everything_diverged(self, experiment: str) -> None:
        study = log_study(experiment, "search", optimizer="adam", low="1e-4", high="1e9", trials="3", hidden="8")
        log_training(experiment, {"val_loss": [2.3, math.nan]}, parent=study, lr="1363.25")
        lower = parse(SearchSettings, _arguments(warning("all_diverged").command))
        assert [lower.low, lower.high] == pytest.approx([1e-6, 1e9])


class TestTheAdviceForAGrid:
    def test_that_has_extended_itself_adds_learning_rates(self, experiment: str) -> None:
        study = log_study(experiment, lrs="0.1,0.01", extend="true", hidden="8", optimizers="adam")
        for lr in ("0.1", "0.01"):
            log_training(experiment, falling(float(lr)), parent=study, lr=lr)
        wider = parse(GridSettings, _arguments(warning("not_bracketed").command))
        assert wider.lrs == (0.1, 0.0316, 0.01, 0.001, 0.0001)

    def test_goes_lower_if_everything_diverged(self, experiment: str) -> None:
        for lr in ("10", "1e1", "1"):
            log_training(experiment, {"val_loss": [2.3, math.nan]}, lr=lr)
        assert parse(GridSettings, _arguments(warning("all_diverged").command)).lrs == (10.0, 1.0, 0.1, 0.01)

    def test_has_no_fewer_seeds_than_it_had(self, experiment: str) -> None:
        study = log_study(experiment, lrs="0.1,0.01", seeds="5", hidden="8", optimizers="adam")
        log_training(experiment, falling(0.01), parent=study, lr="0.1")
        for seed in range(5):
            log_training(experiment, falling(0.1), parent=study, lr="0.01", seed=seed)
        assert parse(GridSettings, _arguments(warning("fewer_seeds").command)).seeds == 5


def test_commands_for_an_experiment_have_its_seeds(experiment: str) -> None:
    for seed in (4, 5, 6):
        log_training(experiment, falling(0.1), seed=seed)
    (one,) = [one for one in summary()["warnings"] if one["code"] == "not_bracketed"]
    wider = parse(GridSettings, _arguments(one["command"]))
    assert (wider.extend, wider.seed, wider.seeds) == (True, 4, 3)


def test_commands_for_trainings_whose_seeds_were_not_logged_begin_at_0(experiment: str) -> None:
    run = log_training(experiment, falling(0.1))
    with closing(sqlite3.connect("mlflow.db")) as database:
        database.execute("delete from params where run_uuid = ? and key = 'seed'", (run,))
        database.commit()
    (one,) = [one for one in summary()["warnings"] if one["code"] == "not_bracketed"]
    assert parse(GridSettings, _arguments(one["command"])).seed == 0


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
        went_on = parse(GridSettings, _arguments(one["command"]))
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--study", "nope"], "study='nope' is not a run on"),
        (["--log"], "log=true needs a study's run to attach the report to"),
        (["--out", "a file"], "out='a file' cannot be written: it is not a folder"),
    ],
)
def test_a_mistake_is_an_error_of_one_sentence(experiment: str, arguments: list[str], sentence: str) -> None:
    log_training(experiment, falling(0.1))
    Path("a file").write_text("")
    with pytest.raises(ReportError, match=sentence) as error:
        report(arguments)
    assert len(str(error.value).splitlines()) == 1


def test_the_command_prints_the_recommendation_and_reports_a_mistake_in_one_sentence(experiment: str) -> None:
    for lr in ("0.1", "0.001"):
        log_seeds(experiment, float(lr), lr=lr)
    made = command()
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("Use adam with a learning rate of 0.001.\nSure: no other cell tried is better (")
    assert "\nIts best validation loss is 0.14" in made.stdout
    assert made.stdout.endswith("report: report/index.html\n")
    rejected = command("--study", "nope")
    assert rejected.returncode == 2
    assert rejected.stderr.startswith("error: study='nope'")
    assert len(rejected.stderr.splitlines()) == 1


def test_a_report_leaves_nothing_of_the_one_before(experiment: str) -> None:
    for optimizer in ("adam", "sgd"):
        log_training(experiment, falling(0.1), optimizer=optimizer)
    written_summary()
    assert Path("report/figures/curves_sgd.svg").exists()
    Path("report/figures/mine.txt").write_text("a user's")
    study = log_study(experiment)
    log_training(experiment, falling(0.1), parent=study)
    written_summary()
    assert {path.name for path in Path("report/figures").iterdir()} == {
        *(
            f"{name}.{kind}"
            for name in ("curves_adam", "grid", "kinds_of_curve", "loss_against_learning_rate")
            for kind in ("svg", "png")
        ),
        "mine.txt",
    }


def test_shapes_of_network_stand_beside_each_other(experiment: str) -> None:
    for hidden, floor in (("8,4", 0.1), ("8,8", 0.2), ("4,8", 0.3)):
        for lr in ("0.1", "0.01"):
            log_training(experiment, falling(floor), lr=lr, hidden=hidden)
    content = written_summary()
    assert [one["settings"]["hidden"] for one in content["groups"]] == ["8,4", "8,8", "4,8"]
    shapes = rows("shapes.csv")
    assert [(row["lr"], row["hidden"]) for row in shapes[:3]] == [("0.01", "8,4"), ("0.01", "8,8"), ("0.01", "4,8")]
    # The training loss is nine tenths of the validation loss, which ends at floor + (2.3 - floor) / 16.
    assert float(shapes[0]["generalisation_gap"]) == pytest.approx(0.1 * (0.1 + 2.2 / 16))
    assert Path("report/figures/shapes.svg").exists()


def test_names_with_signs_of_formulas_are_drawn_as_they_are(experiment: str) -> None:
    for optimizer in (r"a$\foo{$b", "$x$", "_adam"):
        log_training(experiment, falling(0.1), optimizer=optimizer, hidden="8")
    log_training(experiment, falling(0.1), optimizer="_adam", hidden="$8_$")
    assert len(written_summary()["groups"]) == 2
    svg = Path("report/figures/loss_against_learning_rate.svg").read_text()
    assert all(name in svg for name in (r"a$\foo{$b", "$x$", "_adam"))  # in the comments beside the letters' paths


@pytest.mark.parametrize("script", ["draw_basin.py", "draw_curves.py", "draw_grid.py"])
def test_a_figure_is_drawn_by_a_script_of_its_own(
    experiment: str, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_training(experiment, falling(0.1))
    monkeypatch.syspath_prepend(str(ROOT / "analysis"))
    importlib.import_module(script.removesuffix(".py")).main(["--out", "figure.png"])
    assert Path("figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_real_grid_is_reported_as_it_was_trained(tracking_uri: str) -> None:
    trained = run_script("grid.py", "--optimizers", "sgd,adam", "--lrs", "0.1,0.01", "--epochs", "3", "--hidden", "16")
    assert trained.returncode == 0, trained.stderr
    content = summary()
    printed = [line.split() for line in trained.stdout.splitlines() if re.match(r"(sgd|adam) +[\d.]+ ", line)]
    told = {(row["optimizer"], row["lr"]): row for row in content["cells"]}
    assert len(told) == len(printed) == 4
    for optimizer, lr, val_loss, accuracy, *verdict in printed:
        row = told[optimizer, float(lr)]
        assert f"{row['best_val_loss']:.4f}" == val_loss
        assert f"{row['best_val_accuracy']:.1%}" == accuracy
        assert row["verdict"] == " ".join(verdict).partition("best")[0].strip() or row["verdict"] == "too slow"
        assert row["reason"]
    (best,) = [words for words in printed if "best" in words]
    answer = content["recommendation"] or content["best_so_far"]
    assert (answer["optimizer"], answer["lr"]) == (best[0], float(best[1]))
    assert content["left_out"] == []
    assert _arguments(answer["command"])
