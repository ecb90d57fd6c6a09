"""Kill parts of a study on a cluster at random: `python benchmarks/cluster_soak.py [--ends 8] [--seed 0]`.

A grid trains on three workers of this machine. At random moments a worker, a training's process, the scheduler or the
command itself is killed, or a worker is stopped for a while and continued; killed parts are started again. When the
grid has ended, its runs are compared with those of an undisturbed grid without a cluster: each training must have been
logged once, with the same numbers.
"""

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from clusters import IMPATIENT, DaskCluster, children_of, dask_cluster

SETTINGS = ("--epochs", "500", "--hidden", "8", "--optimizers", "sgd,adam", "--lrs", "0.1,0.01")
GRID = [sys.executable, str(ROOT / "src" / "grid.py"), *SETTINGS]
WORKERS, SECONDS_STOPPED = 3, 8.0
MAX_PAUSE_SECONDS = 10.0
MAX_STARTS, MAX_NAMED = 30, 6

Numbers = dict[tuple[str, int], list[float]]


def main() -> None:
    """Run both grids and compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ends", type=int, default=8, help="how often something is killed or stopped")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("calm", "disturbed"):
            Path(folder, name).mkdir()
        subprocess.run(GRID, cwd=Path(folder, "calm"), env=environment(folder, "calm"), capture_output=True, check=True)
        happened = disturb(Path(folder), random.Random(arguments.seed), arguments.ends)
        calm, disturbed = (numbers(Path(folder, name, "mlflow.db")) for name in ("calm", "disturbed"))
    print(", ".join(f"{what} {count} times" for what, count in sorted(happened.items())))
    repeated = [key for key, run in disturbed.items() if any(len(values) > 1 for values in run.values())]
    different = [key for key in calm if disturbed.get(key) != calm[key]]
    print(
        f"{len(disturbed)} of {len(calm)} trainings, {len(repeated)} logged twice, {len(different)} with other numbers"
    )
    sys.exit(bool(repeated or different or len(disturbed) != len(calm)))


def environment(folder: str | Path, name: str) -> dict[str, str]:
    """Return the environment of a command, with a cache of its own."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return variables | {"XDG_CACHE_HOME": str(Path(folder, name, "cache"))}


def disturb(folder: Path, chance: random.Random, ends: int) -> Counter[str]:
    """Run the grid on a cluster and disturb it; return the number of each kind of event."""
    happened: Counter[str] = Counter()
    shared = folder / "checkpoints"
    clusters = 0
    while True:
        with dask_cluster(folder / f"cluster {clusters}", WORKERS, **IMPATIENT) as cluster, ExitStack() as started:
            clusters += 1
            while True:
                happened["the command was started"] += 1
                if happened["the command was started"] > MAX_STARTS:
                    raise RuntimeError("the study does not end")
                command = [*GRID, "--cluster", cluster.address, "--checkpoints", str(shared)]
                options = {"cwd": folder / "disturbed", "env": environment(folder, "disturbed")}
                driver = started.enter_context(
                    subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
                )
                while driver.poll() is None and sum(happened.values()) - happened["the command was started"] < ends:
                    time.sleep(chance.uniform(1, MAX_PAUSE_SECONDS))
                    happened[end_part(chance, cluster, driver)] += 1
                driver.wait()
                if driver.returncode == 0:
                    return happened
                if cluster.scheduler.poll() is not None:
                    break


def end_part(chance: random.Random, cluster: DaskCluster, driver: "subprocess.Popen[bytes]") -> str:
    """Kill or stop a part of the study; return a description."""
    alive = [worker for worker in cluster.workers if worker.poll() is None]
    what = chance.choice(("worker", "worker", "stop", "training", "training", "scheduler", "driver"))
    worker = chance.choice(alive)
    if what == "worker":
        worker.kill()
        cluster.add_worker()
        return "a worker was killed"
    if what == "stop":
        worker.send_signal(signal.SIGSTOP)
        time.sleep(SECONDS_STOPPED)
        worker.send_signal(signal.SIGCONT)
        cluster.add_worker()
        return "a worker was stopped"
    if what == "training":
        for child in children_of(worker):
            child.kill()
        return "a training was killed"
    if what == "scheduler":
        cluster.scheduler.kill()
        driver.wait()
        return "the scheduler was killed"
    driver.kill()
    driver.wait()
    return "the command was killed"


def numbers(path: Path) -> dict[str, Numbers]:
    """Return the numbers of each finished training by its key, without times."""
    with closing(sqlite3.connect(path)) as database:
        query = """
            select key.value, metrics.key, step, metrics.value from metrics
            join runs on runs.run_uuid = metrics.run_uuid and runs.status = 'FINISHED'
            join tags as kind on kind.run_uuid = runs.run_uuid and kind.key = 'lrstudy.kind' and kind.value = 'train'
            join tags as key on key.run_uuid = runs.run_uuid and key.key = 'lrstudy.key'
            where metrics.key not like 'time/%' and runs.lifecycle_stage = 'active'
        """
        found: dict[str, Numbers] = {}
        for key, name, step, value in database.execute(query):
            found.setdefault(key, {}).setdefault((name, step), []).append(value)
    return found


if __name__ == "__main__":
    main()
