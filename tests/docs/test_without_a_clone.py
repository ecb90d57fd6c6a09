"""`mlflow run` takes the address of a git repository: no clone is needed."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT
from preloaded_process import run_preloaded

SECONDS = 20


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with this project in it."""
    folder = tmp_path / "served" / "project"
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("MLproject", "conda.yaml"):
        shutil.copy(ROOT / name, folder)
    identity = ["-c", "user.name=a name", "-c", "user.email=name@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "The project"]):
        subprocess.run(["git", "-C", folder, *command], check=True)
    return folder


@pytest.fixture
def address(repository: Path) -> Iterator[str]:
    """The address at which `git daemon` serves the repository on loopback. MLflow runs a `file://` folder in place."""
    # Without the wrapper `git daemon` in between, so that what is terminated is the daemon.
    daemon = Path(subprocess.check_output(["git", "--exec-path"], text=True).strip(), "git-daemon")
    if not daemon.is_file():
        pytest.skip("git daemon is not installed")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--export-all", "--listen=127.0.0.1", f"--port={port}", f"--base-path={repository.parent}"]
    with subprocess.Popen([daemon, *options]) as process:
        wait_until_served(port)
        yield f"git://127.0.0.1:{port}/{repository.name}"
        process.terminate()


def wait_until_served(port: int) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with closing(socket.socket()) as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"git daemon does not listen on port {port}")


@pytest.mark.slow
def test_mlflow_runs_the_project_from_the_address_of_its_repository(address: str, tracking_uri: str) -> None:
    command = ["-m", "mlflow", "run", address, "--env-manager", "local", "-P", "epochs=1", "-P", "hidden=8"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # The script starts in a new interpreter, as it does for a user.
    outcome = run_preloaded(command, env=os.environ | {"PATH": path})
    assert outcome.returncode == 0, outcome.stderr
    (run,) = mlflow.search_runs([os.environ["MLFLOW_EXPERIMENT_ID"]], output_format="list")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["best/epoch"] in (0, 1)
    assert run.data.tags["mlflow.source.name"] == address
