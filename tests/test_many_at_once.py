"""Many trainings that log to one server at once: no metric is lost or mixed up."""

import csv
import io
import math
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
import sqlalchemy

from conftest import ROOT
from lrstudy.server_names import LOG10_LOSSES
from lrstudy.training.epoch import METRICS
from preloaded_process import run_preloaded
from servers import free_port, tracking_server
from studies import runs

EPOCHS = 12
# The metric of a logarithm, and that of its loss.
LOSSES = {name: loss for loss, name in LOG10_LOSSES.items()}


def train_at_once(count: int) -> None:
    """Run real trainings in processes of their own; see `trainings_at_once.py`."""
    ended = run_preloaded([str(ROOT / "tests" / "trainings_at_once.py"), str(count), str(EPOCHS)])
    assert ended.returncode == 0, ended.stderr[-3000:]


def check_every_run(count: int, database: str) -> None:
    """Compare each run with its own table of epochs, which its training logged as one file."""
    found = runs()
    assert len(found) == count
    assert {run.info.status for run in found} == {"FINISHED"}
    assert len({run.data.tags["lrstudy.key"] for run in found}) == count
    assert {run.data.params["seed"] for run in found} == {str(seed) for seed in range(count)}
    assert len({frozenset(run.data.metrics) for run in found}) == 1
    points = all_points(database)
    for run in found:
        text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/history.csv")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [int(row["epoch"]) for row in rows] == list(range(EPOCHS + 1))
        for name in run.data.metrics:
            steps, values = zip(*points[run.info.run_id, name], strict=True)
            if name in METRICS:
                assert steps == tuple(range(EPOCHS + 1))
                assert values == pytest.approx([float(row[name]) for row in rows])
            elif name in LOSSES:
                assert steps == tuple(range(EPOCHS + 1))
                assert values == pytest.approx([math.log10(float(row[LOSSES[name]])) for row in rows])
            else:
                assert steps == (0,)


def all_points(database: str) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Return every point in the database by run and metric: the server returns one metric of one run at a time."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        query = sqlalchemy.text("select run_uuid, key, step, value from metrics order by step")
        for run_id, name, step, value in connection.execute(query):
            found.setdefault((run_id, name), []).append((step, value))
    engine.dispose()
    return found


@pytest.mark.slow
def test_eight_trainings_at_once_log_everything_to_one_sqlite_file(tracking_uri: str, tmp_path: Path) -> None:
    train_at_once(8)
    check_every_run(8, tracking_uri)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]


def program(name: str) -> str:
    """Return the path of PostgreSQL's program of this name."""
    places = [name, *sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True)]
    found = next(filter(None, map(shutil.which, places)), None)
    return found or pytest.skip(f"PostgreSQL is not installed here: there is no {name}")


def wait_until_ready(command: list[str], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline:
        if subprocess.run(command, capture_output=True).returncode == 0:
            return
        time.sleep(0.2)
    pytest.fail(f"it does not answer: {log.read_text()[-2000:]}")


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture
def postgresql() -> Iterator[str]:
    """Yield the address of an empty database; as root, PostgreSQL runs as nobody."""
    initdb, postgres, ready = map(program, ("initdb", "postgres", "pg_isready"))
    user = "nobody" if os.geteuid() == 0 else None
    # Not below pytest's folder, which is for its owner alone.
    with tempfile.TemporaryDirectory(prefix="lrstudy-postgresql-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), str(free_port())
        if user:
            try:
                os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
            except (KeyError, PermissionError) as error:
                pytest.skip(f"PostgreSQL does not run as root, and nobody cannot be another user's here: {error}")
        options = ["--no-sync", "--auth=trust", "--username=lrstudy", "--encoding=UTF8", "--locale=C"]
        made = subprocess.run([initdb, "-D", folder / "data", *options], capture_output=True, user=user, cwd=folder)
        assert made.returncode == 0, made.stderr
        where = ["-c", "listen_addresses=127.0.0.1", "-p", port, "-k", name]
        with (folder / "log").open("wb") as log:
            command = [postgres, "-D", str(folder / "data"), *where, "-c", "fsync=off"]
            process = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd=folder)
        try:
            wait_until_ready([ready, "-h", "127.0.0.1", "-p", port], process, folder / "log")
            yield f"postgresql+psycopg2://lrstudy@127.0.0.1:{port}/postgres"
        finally:
            end(process)


@pytest.fixture
def server(postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield a server with the database behind it, active in this process and in its child processes."""
    before = mlflow.get_tracking_uri()
    with tracking_server(tmp_path, postgresql) as uri:
        mlflow.set_tracking_uri(uri)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", mlflow.create_experiment("many at once"))
        yield uri
    mlflow.set_tracking_uri(before)


@pytest.mark.slow
@pytest.mark.first
@pytest.mark.usefixtures("server")
def test_thirty_two_trainings_at_once_log_everything_to_a_server_with_postgresql(
    postgresql: str, tmp_path: Path
) -> None:
    """Thirty-two processes, each with its own connections, that begin together."""
    train_at_once(32)
    check_every_run(32, postgresql)
    assert "QueuePool limit" not in (tmp_path / "server.log").read_text()
