"""Commands of studies, and queries of their runs, for the tests of the grid, the search and single trainings."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import mlflow
from mlflow.entities import Run

import shared_by_workers
from conftest import ROOT
from databases import empty_database
from preloaded_process import PreloadedProcess, run_preloaded

CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "Log10 loss/train", "Log10 loss/val")

# Where the processes that a study starts find the package.
SOURCE = {"PYTHONPATH": str(ROOT / "src")}
# A study whose report is not composed, which would take longer than the trainings of a test.
WITHOUT_REPORT = """
import sys
sys.argv[0] = {script!r}  # which MLflow logs as the source
from lrstudy.cli.entry_point import run_main
from lrstudy.study.commands import run_{kind}
run_main(lambda arguments: run_{kind}(arguments, lambda *_: None))
"""


def run_script(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, in a process that has imported everything."""
    return run_preloaded([str(ROOT / "src" / script), *arguments], env=os.environ | environment)


def run_study(kind: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a study of this kind, such as `grid`, as its script does, but for the report."""
    return run_preloaded(_study_command(kind, *arguments), env=os.environ | SOURCE | environment)


def run_train(*arguments: str) -> None:
    """Train to a good end with `train.py`, in a process that has imported everything; print what it printed."""
    ended = run_script("train.py", *arguments)
    print(ended.stdout)
    print(ended.stderr, file=sys.stderr)
    assert ended.returncode == 0, ended.stderr


def run_script_anew(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a new interpreter, as a user would."""
    return subprocess.run(
        [sys.executable, str(ROOT / "src" / script), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


@contextmanager
def running(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command, and kill it at the end of the block."""
    with _running([str(ROOT / "src" / script), *arguments], os.environ) as process:
        yield process


@contextmanager
def running_study(kind: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a study of this kind, such as `grid`, without its report, and kill it at the end of the block."""
    with _running(_study_command(kind, *arguments), os.environ | SOURCE) as process:
        yield process


@contextmanager
def _running(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with PreloadedProcess(command, stdout=pipe, stderr=pipe, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def _study_command(kind: str, *arguments: str) -> list[str]:
    return ["-c", WITHOUT_REPORT.format(script=str(ROOT / "src" / f"{kind}.py"), kind=kind), *arguments]


def runs() -> list[Run]:
    """All runs of the test's experiment, by the time they began."""
    return list(mlflow.search_runs([os.environ["MLFLOW_EXPERIMENT_ID"]], order_by=["start_time"], output_format="list"))


def only_run() -> Run:
    (run,) = runs()
    return run


def curve(run: Run, name: str) -> dict[int, float]:
    return {point.step: point.value for point in mlflow.MlflowClient().get_metric_history(run.info.run_id, name)}


def studies() -> list[Run]:
    return [run for run in runs() if run.data.tags.get("lrstudy.kind") in ("grid", "search", "decide")]


def trainings() -> list[Run]:
    return [run for run in runs() if run.data.tags.get("lrstudy.kind") == "train"]


def children(of: Run) -> list[Run]:
    return [run for run in runs() if run.data.tags.get("mlflow.parentRunId") == of.info.run_id]


def curves(run: Run, client: mlflow.MlflowClient | None = None) -> dict[str, list[tuple[int, float]]]:
    client = client or mlflow.MlflowClient()
    points = {name: client.get_metric_history(run.info.run_id, name) for name in CURVES}
    return {name: [(point.step, point.value) for point in some] for name, some in points.items()}


def finals(run: Run, client: mlflow.MlflowClient | None = None) -> dict[str, list[float]]:
    """The values that each metric was logged with that is logged once; times may be logged again."""
    client = client or mlflow.MlflowClient()
    several = ("time/", "why/")
    names = [name for name in run.data.metrics if "/" in name and not name.startswith(several) and name not in CURVES]
    return {name: [point.value for point in client.get_metric_history(run.info.run_id, name)] for name in names}


class Reference(NamedTuple):
    """The key, curves and final metrics of an undisturbed training."""

    key: str
    curves: dict[str, list[tuple[int, float]]]
    finals: dict[str, list[float]]


def reference(*arguments: str) -> Reference:
    """Return what `train.py` logs with these arguments: trained once per pytest run."""
    client, run = reference_run(*arguments)
    return Reference(run.data.tags["lrstudy.key"], curves(run, client), finals(run, client))


def reference_run(*arguments: str) -> tuple[mlflow.MlflowClient, Run]:
    """Return the run of an undisturbed training with these arguments, and a client of its database."""
    name = "reference-" + hashlib.sha256(repr(arguments).encode()).hexdigest()[:16]
    client = mlflow.MlflowClient(shared_by_workers.once(name, lambda: _train_reference(name, arguments)))
    (experiment,) = client.search_experiments(filter_string="name = 'reference'")
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


def _train_reference(name: str, arguments: Sequence[str]) -> str:
    folder = shared_by_workers.folder() / f"{name}-files"
    folder.mkdir()
    shutil.copy(empty_database(), folder / "mlflow.db")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    experiment = mlflow.MlflowClient(uri).create_experiment("reference", (folder / "artifacts").as_uri())
    places = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_ID": experiment, "XDG_CACHE_HOME": str(folder / "cache")}
    ended = run_script("train.py", *arguments, **places)
    assert ended.returncode == 0, ended.stderr
    return uri
