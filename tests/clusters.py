"""Real Dask schedulers and workers on loopback, for the tests of studies on a cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SECONDS_TO_START = 120.0
# The arguments of a grid of two short trainings.
SHORT = ("--hidden", "8", "--epochs", "2", "--optimizers", "sgd", "--lrs", "0.1,0.01")
# A scheduler that soon notices what was cut off, and blames a task for the first death of its worker.
IMPATIENT = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "12s",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
}


@dataclass
class DaskCluster:
    """A scheduler and its workers, as processes; `folder` has their scratch files and logs."""

    folder: Path
    address: str
    scheduler: subprocess.Popen[bytes]
    environment: dict[str, str]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_worker(self, *options: str, prefix: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker without a nanny, and return its process once it has joined."""
        number = len(self.workers)
        command = [*prefix, *dask("worker", self.address), "--no-nanny", "--nthreads", "1", "--name", f"w{number}"]
        command += ["--local-directory", str(self.folder / f"w{number}"), "--no-dashboard", *options]
        log = self.folder / f"w{number}.log"
        process = start(command, log, self.environment | environment)
        wait_for_line(log, "Registered to:", process)
        self.workers.append(process)
        return process


@contextmanager
def dask_cluster(
    folder: Path, workers: int, *options: str, prefix: Sequence[str] = (), **environment: str
) -> Iterator[DaskCluster]:
    """Run a scheduler with workers; they see neither this project nor its tests, unless `environment` says so."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    file, log = folder / "scheduler.json", folder / "scheduler.log"
    file.unlink(missing_ok=True)
    command = [*prefix, *dask("scheduler"), "--scheduler-file", str(file), "--no-dashboard", "--no-show"]
    if not any(option.startswith("--host") for option in options):
        options = (*options, "--host", "127.0.0.1")
    scheduler = start([*command, "--port", "0", *options], log, variables)
    cluster = None
    try:
        wait_for_line(log, "Scheduler at:", scheduler)
        while not (file.exists() and file.read_text().endswith("}")):
            time.sleep(0.02)
        cluster = DaskCluster(folder, json.loads(file.read_text())["address"], scheduler, variables)
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        for process in [*(cluster.workers if cluster else []), scheduler]:
            end(process)


def dask(*words: str) -> list[str]:
    """Return a command of Dask for this Python."""
    kind, *rest = words
    return [sys.executable, "-P", "-m", f"distributed.cli.dask_{kind}", *rest]


def start(command: Sequence[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=environment, start_new_session=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and the children that it has, which may be stopped."""
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in children:
            with_signal(child.pid, signal.SIGKILL)
    process.wait()


def wait_for_line(log: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has logged a line with `text`."""
    deadline = time.monotonic() + SECONDS_TO_START
    while text not in log.read_text(errors="replace"):
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.05)


def with_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def children_of(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the child processes of a worker that train."""
    children = psutil.Process(worker.pid).children()
    return [child for child in children if "lrstudy.cluster.child" in " ".join(child.cmdline())]


def wait_until_gone(processes: Sequence[psutil.Process]) -> None:
    """Wait until these processes have ended."""
    _, alive = psutil.wait_procs(processes, timeout=SECONDS_TO_START)
    assert not alive


def wait_until_empty(folder: Path) -> None:
    """Wait until a worker's folder has no temporary folder of a training; it is removed when a child has ended."""
    end = time.monotonic() + SECONDS_TO_START
    while left := list(folder.glob("**/lrstudy-*")):
        assert time.monotonic() < end, left
        time.sleep(0.05)
