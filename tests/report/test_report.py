"""`python analysis/report.py`, the command that a user types, on databases with known content."""

import csv
import importlib
import json
import math
import random
import re
import sqlite3
import statistics
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from statistics import fmean

import mlflow
import pytest

from conftest import ROOT
from known_runs import falling, log_study, log_training
from lrstudy.errors import ReportError
from lrstudy.report.command_line import report
from preloaded_process import run_preloaded
from reports import arguments_of, codes, log_seeds, summary, written_summary
from studies import run_script

REPORT = ROOT / "analysis" / "report.py"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_preloaded([str(REPORT), *arguments])


def rows(name: str) -> list[dict[str, str]]:
    with Path("report/tables", name).open(newline="") as file:
        return list(csv.DictReader(file))


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
    assert arguments_of(answer["command"])
