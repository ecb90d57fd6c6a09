"""The report of a large study: `python benchmarks/large_report.py [--runs 500]`.

Logs a study of that many trainings with 50 epochs and 4 metrics to a new tracking database, serves it on loopback, and
builds the report from the server. Prints the seconds of the report, the seconds spent on reading the server, and the
peak of resident memory.
"""

import argparse
import math
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from lrstudy.optimizers import DEFAULT_OPTIMIZERS

EPOCHS = 50


def main() -> None:
    """Log the study, and measure the report in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/mlflow.db"
        log_study(database, options.runs)
        with served(database) as server:
            command = [sys.executable, __file__, "--measure", f"{folder}/report"]
            subprocess.run(command, env=os.environ | {"MLFLOW_TRACKING_URI": server}, check=True)


def log_study(database: str, runs: int) -> None:
    """Log a search's trainings, whose loss falls to a floor: the closer the learning rate to 0.01, the lower."""
    client, draw = MlflowClient(database), random.Random(0)
    experiment = client.create_experiment("large")
    study = client.create_run(experiment, tags={"lrstudy.kind": "search"}, run_name=f"search {runs}").info.run_id
    for number in range(runs):
        lr = 10 ** draw.uniform(-5, 1)
        tags = {"lrstudy.kind": "train", "mlflow.parentRunId": study, "lrstudy.verdict": "good"}
        run = client.create_run(experiment, tags=tags, run_name=f"trial {number}").info.run_id
        params = {
            "optimizer": DEFAULT_OPTIMIZERS[number % len(DEFAULT_OPTIMIZERS)],
            "lr": f"{lr:.6g}",
            "seed": "0",
            "epochs": str(EPOCHS),
        }
        floor = 0.1 + 0.2 * math.log10(lr / 0.01) ** 2
        losses = [floor + 2.2 * math.exp(-epoch / 8) for epoch in range(EPOCHS + 1)]
        values = {"train_loss": 0.9, "val_loss": 1.0, "train_accuracy": -0.3, "val_accuracy": -0.32}
        metrics = [
            Metric(name, share * loss if share > 0 else 1 + share * loss, 0, epoch)
            for name, share in values.items()
            for epoch, loss in enumerate(losses)
        ]
        client.log_batch(run, metrics, [Param(*item) for item in params.items()])
        client.set_terminated(run)


@contextmanager
def served(database: str) -> Iterator[str]:
    """Run MLflow's server for `database` on a free port, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["mlflow", "server", "--port", str(port), "--backend-store-uri", database]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        address = f"http://127.0.0.1:{port}"
        while not _answers(f"{address}/health"):
            time.sleep(0.2)
        yield address
        server.terminate()


def _answers(address: str) -> bool:
    try:
        return bool(urllib.request.urlopen(address, timeout=1).status == 200)
    except OSError:
        return False


def measure(folder: Path) -> None:
    """Build the report from the server that the environment names, and print its time and memory."""
    from lrstudy.report.group_report import build_report
    from lrstudy.report.load_runs import load_runs
    from lrstudy.report.write import write_report

    began = time.perf_counter()
    loaded = load_runs()
    fetched = time.perf_counter()
    write_report(build_report(loaded), folder)
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(loaded.trainings)} runs of {EPOCHS} epochs and 4 metrics: {ended - began:.1f} s, including "
        f"{fetched - began:.1f} s to read the server; {peak:.2f} GB peak resident memory"
    )


if __name__ == "__main__":
    main()
