"""A tracking database, a cache and an environment of the tests' own."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import matplotlib
import mlflow
import pytest

import databases
import shared_by_workers
from image_folders import fill
from lrstudy import cache_paths
from lrstudy.crash_safe_pool import CrashSafePool
from preloaded_process import run_preloaded
from servers import Front, start_tracking_server

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT.parent / "shared" / "data" / "clothing"
FONT_CACHE = matplotlib.get_cachedir()


def pytest_configure(config: pytest.Config) -> None:
    """Share a folder between the processes of this pytest run, and give those that it starts a Ctrl-C that works."""
    if not hasattr(config, "workerinput"):  # not in xdist's processes, which inherit it
        # PyTorch's threads sleep while they wait: spinning would take the processors from other tests.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        sharing = ExitStack()
        sharing.enter_context(shared_by_workers.shared_folder())
        config.add_cleanup(sharing.close)
    databases.read_migrations_once()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that tests under `mlflow run -e test`, and the user's caches, are none of the tests' business."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLCONFIGDIR", FONT_CACHE)  # else each process that draws lists all fonts, for seconds
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tracking_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A tracking database of the test's own, in force in this process and in those that it starts."""
    shutil.copy(databases.empty_database(), tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.create_experiment("learning rates", (tmp_path / "artifacts").as_uri())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    yield uri
    mlflow.set_tracking_uri(before)


@pytest.fixture
def experiment(tracking_uri: str) -> str:
    """The id of the experiment in force, in a tracking database of the test's own."""
    return os.environ["MLFLOW_EXPERIMENT_ID"]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """The cache, on a disk of 64 kB."""
    cache_paths.cache_folder().mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(cache_paths.cache_folder())]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("here no disk can be mounted")
    yield cache_paths.cache_folder()
    subprocess.run(["umount", "--lazy", str(cache_paths.cache_folder())], check=True)


def mlflow_run(entry_point: str, **parameters: str) -> subprocess.CompletedProcess[str]:
    """Run `mlflow run . -e entry_point -P name=value …` in this environment, its script in a preloaded process."""
    command = ["-m", "mlflow", "run", str(ROOT), "--env-manager", "local", "-e", entry_point]
    command += [word for name, value in parameters.items() for word in ("-P", f"{name}={value}")]
    path = f"{shared_by_workers.preloaded_python()}{os.pathsep}{os.environ['PATH']}"
    return run_preloaded(command, env=os.environ | {"PATH": path})


@pytest.fixture(scope="session")
def server_url() -> str:
    """The address of a real tracking server: one for all tests, each with an experiment of its own."""
    return shared_by_workers.once("tracking-server", _start_shared_server)


def _start_shared_server() -> str:
    folder = shared_by_workers.folder() / "server"
    folder.mkdir()
    process, url = start_tracking_server(folder)
    process.detach()
    return url


@pytest.fixture
def front(server_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """A proxy of the server with a new experiment, set for this process and the processes that it starts."""
    before = mlflow.get_tracking_uri()
    with Front(server_url).running() as front:
        mlflow.set_tracking_uri(front.url)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", mlflow.create_experiment(f"through {front.url} at {time.time()}"))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", front.url)
        yield front
    mlflow.set_tracking_uri(before)


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def train() -> Command:
    """Return a function that runs `train("--lr", "0.1")` as `python src/train.py --lr 0.1`, but preloaded."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_preloaded([str(ROOT / "src" / "train.py"), *arguments], env=os.environ | environment)

    return run


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Return a folder of two classes of ten images."""
    fill(tmp_path / "pets" / "cat")
    fill(tmp_path / "pets" / "dog", colour=(10, 200, 10))
    return tmp_path / "pets"


MakePool = Callable[..., CrashSafePool]


@pytest.fixture(params=["spawn", "forkserver"])
def make_pool(request: pytest.FixtureRequest) -> Iterator[MakePool]:
    """Make pools, which are ended after the test."""
    pools = []

    def make(processes: int, *initializer: object) -> CrashSafePool:
        pools.append(CrashSafePool(processes, multiprocessing.get_context(request.param), *initializer))  # type: ignore[arg-type]
        return pools[-1]

    yield make
    for pool in pools:
        pool.shutdown(cancel_futures=True)
