"""Measure studies on a cluster of this machine: `python benchmarks/cluster.py [--workers 1,2,4,8] [--seconds 5]`.

The network of the trainings sleeps, so that two cores suffice for many workers. For each number of workers it prints
the trainings per second, as a share of what sleeping alone would allow, and what a training costs the driver and the
scheduler: their processor time, and the time that the driver's loop spends on calls to the tracking server. The store
is a SQLite file on this machine's disk.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from clusters import dask_cluster

SEARCH = ("--optimizer", "sgd", "--sampler", "random", "--epochs", "1", "--batch_size", "5000", "--diagnose", "false")
TRAININGS_PER_WORKER = 6
NETWORK = """
import time
from torch import nn

class Sleeping(nn.Flatten):
    def forward(self, images):
        if self.training:
            time.sleep({seconds})
        return super().forward(images)

def network(channels, side, classes):
    return nn.Sequential(Sleeping(), nn.Linear(channels * side**2, classes))
"""


def main() -> None:
    """Run a study on each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,2,4,8", help="numbers of workers")
    parser.add_argument("--seconds", type=float, default=5.0, help="that each training sleeps")
    arguments = parser.parse_args()
    for workers in map(int, arguments.workers.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), workers, arguments.seconds)


def measure(folder: Path, workers: int, seconds: float) -> None:
    """Run a study of sleeping trainings; print its figures."""
    (folder / "sleeping.py").write_text(NETWORK.format(seconds=seconds), encoding="utf-8")
    trainings = TRAININGS_PER_WORKER * workers
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with dask_cluster(folder / "cluster", workers) as cluster:
        scheduler = psutil.Process(cluster.scheduler.pid)
        began = processor_seconds(scheduler)
        command = [sys.executable, str(ROOT / "src" / "search.py"), *SEARCH, "--model", "sleeping.py:network"]
        command += ["--trials", str(trainings), "--cluster", cluster.address]
        driver = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        of_driver = watch(driver)
        _, errors = driver.communicate()
        if driver.returncode:
            raise RuntimeError(errors.decode())
        of_scheduler = processor_seconds(scheduler) - began
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        query = "select runs.start_time, end_time from runs join tags on tags.run_uuid = runs.run_uuid "
        times = list(database.execute(f"{query} where tags.key = 'lrstudy.kind' and tags.value = 'train'"))
        query = "select value from metrics where key = 'time/tracking_seconds'"
        ((tracking,),) = database.execute(query)
    span = (max(end for _, end in times) - min(start for start, _ in times)) / 1000
    per_second = trainings / span
    print(
        f"{workers} workers: {trainings} trainings of {seconds:g} s in {span:.1f} s, {per_second:.2f} per second, "
        f"{per_second / (workers / seconds):.0%} of what sleeping allows; per training, the driver takes "
        f"{of_driver / trainings * 1000:.0f} ms of processor time with start and end, the scheduler "
        f"{of_scheduler / trainings * 1000:.0f} ms, tracking {tracking / trainings * 1000:.0f} ms",
        flush=True,
    )


def watch(driver: "subprocess.Popen[bytes]") -> float:
    """Return the processor time of a driver with its helper processes, as it was last seen before its end."""
    seconds = 0.0
    while driver.poll() is None:
        try:
            process = psutil.Process(driver.pid)
            seconds = max(seconds, sum(map(processor_seconds, [process, *process.children(recursive=True)])))
            psutil.wait_procs([process], timeout=0.2)
        except psutil.NoSuchProcess:
            continue
    return seconds


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor time of a process, without that of its children."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
