"""Measure the costs of a cluster beside its trainings: `python benchmarks/cluster_costs.py [--workers 2]`.

Tasks that do nothing, and tasks with results of several sizes, run in children of Dask workers on this machine. The
script prints the processor time per task of the driver and of the scheduler, and the size of the code that is sent to
each worker.
"""

import argparse
import asyncio
import os
import pickle
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from cluster import processor_seconds
from clusters import dask_cluster
from lrstudy.cluster.child import RELAY_SECONDS
from lrstudy.cluster.scheduler import PROGRESS_TOPIC, Scheduler
from lrstudy.cluster.shipped import package_archive

SIZES = (0, 10**5, 10**6, 10**7)
TASKS = 100
SESSION = "benchmark"


def main() -> None:
    """Measure the tasks of each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    with tempfile.TemporaryDirectory() as folder, dask_cluster(Path(folder), workers) as cluster:
        asyncio.run(measure(cluster.address, psutil.Process(cluster.scheduler.pid)))


async def measure(address: str, process: psutil.Process) -> None:
    """Run the tasks, and print their costs."""
    scheduler = await Scheduler.connect(address)
    workers = await scheduler.workers()
    code = package_archive()
    print(f"code: {len(code) / 1e6:.2f} MB per worker")
    for worker in workers:
        variables, initializer = {RELAY_SECONDS: "0.25"}, pickle.dumps(partial(os.getpid))
        await scheduler.call(worker, "open_session", SESSION, code, variables, initializer, [])

    async def run(worker: str, size: int, tasks: int) -> None:
        for number in range(tasks):
            name, task = f"{worker} {size} {number}", pickle.dumps(partial(bytes, size))
            await scheduler.run(worker, "run_task", SESSION, name, task, PROGRESS_TOPIC)

    await asyncio.gather(*(run(worker, 1, 1) for worker in workers))  # the children start
    for size in SIZES:
        began, driver, of_scheduler = time.perf_counter(), time.process_time(), processor_seconds(process)
        await asyncio.gather(*(run(worker, size, TASKS) for worker in workers))
        count = TASKS * len(workers)
        spent = [time.process_time() - driver, processor_seconds(process) - of_scheduler]
        print(
            f"results of {size / 1e6:g} MB: {count / (time.perf_counter() - began):.0f} tasks per second; per task "
            f"{spent[0] / count * 1000:.1f} ms of the driver's processor time and {spent[1] / count * 1000:.1f} ms of "
            "the scheduler's",
            flush=True,
        )
    for worker in workers:
        await scheduler.call(worker, "close_session", SESSION)
    await scheduler.close()


if __name__ == "__main__":
    main()
