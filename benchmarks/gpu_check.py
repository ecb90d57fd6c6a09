"""Check on a GPU what needs one: `python benchmarks/gpu_check.py [--before FOLDER]`, in less than 6 minutes.

Prints a line per check, `OK` or `FAILED`, with what was measured; exits with 1 if a check failed, with 2 without a GPU:

- bits: trainings of two networks with four optimizers have the same losses and weights eager, replayed as CUDA graphs,
  and beside seven others; those with Adam also when they are resumed after a kill;
- speed: replayed steps against eager ones; the twelve trainings of the grid on digits, in processes that have started,
  against a single training by the code at commit 3372052; a ResNet-50 in bf16 against a plain loop;
- memory: each training gives back all that it took.

The code at that commit is taken from this clone, or from a checkout of it in FOLDER.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch

from gpu import VARIANTS, compare
from gpu_trainings import (
    ALL_ON,
    Images,
    complete_training,
    memory_after_training,
    step_milliseconds,
    train,
    train_and_be_killed,
    warm_up,
)
from lrstudy.hardware import usable_cores
from lrstudy.optimizers import DEFAULT_OPTIMIZERS
from lrstudy.settings import GridSettings, TrainSettings
from lrstudy.study.gpu_pool import GpuPool

ROOT = Path(__file__).parents[1]
GPU = "cuda:0"
MLP, CNN = ("mlp", Images()), ("cnn", Images(2000, 32))
LARGER_CNN = ("cnn", Images(2000, 64))
RESNET = TrainSettings(image_size=224, batch_size=128, epochs=6, precision="bf16", device=GPU).model_copy(
    update={"model": "resnet50"}
)
# Eager over replayed steps, at least: on an H200 with torch 2.11, 3.6, 2.6 and 1.6 were the lowest measured.
MIN_SPEEDUPS = {MLP: 2.0, CNN: 1.5, LARGER_CNN: 1.2}
MAX_GRID_RATIO, MIN_PLAIN_RATIO = 2.0, 0.9
# Libraries keep workspaces as long as a process lives.
MAX_KEPT_BYTES = 256 * 2**20
BEFORE = "3372052"
SINGLE_TRAINING = """
import sys, time
sys.path.insert(0, sys.argv[1])
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import experiment, watch

def train():
    training = experiment.build(planned(TrainSettings(device=sys.argv[2])))
    progress = watch.begin(training)
    for _ in watch.follow(training, progress, training.epochs()):
        pass
    watch.sum_up(training, progress)

seconds = []
for _ in range(4):
    started = time.perf_counter()
    train()
    seconds.append(time.perf_counter() - started)
print(sorted(seconds[1:])[1])
"""


class Check(NamedTuple):
    """A check: its name, whether it succeeded, and what was found."""

    name: str
    succeeded: bool
    found: str


@contextmanager
def gpu_pool(processes: int, device: str) -> Iterator[GpuPool]:
    """Yield processes that train on one device."""
    with GpuPool({device: processes}, multiprocessing.get_context("forkserver")) as pool:
        yield pool


def check_bits(device: str, epochs: int) -> Iterator[Check]:
    """Compare trainings eager, replayed, packed and resumed."""
    cells = list(product((MLP, CNN), DEFAULT_OPTIMIZERS))
    trainings = [
        (TrainSettings(model=model, optimizer=optimizer, epochs=epochs, lr=0.01, device=device), images)
        for (model, images), optimizer in cells
    ]
    eager = [train(settings, images, ALL_ON._replace(graphs=False))[0] for settings, images in trainings]
    replayed = [train(settings, images) for settings, images in trainings]
    with gpu_pool(len(trainings), device) as pool:
        futures = [pool.submit(train, settings, images) for settings, images in trainings]
        packed = [future.result()[0] for future in futures]
    for (settings, _), alone, (bits, left_out), beside in zip(trainings, eager, replayed, packed, strict=True):
        name = f"{settings.model}, {settings.optimizer}"
        yield Check(f"replayed bits, {name}", bits == alone and not left_out, left_out or f"{bits} and {alone}")
        yield Check(f"bits beside others, {name}", beside == alone, f"{beside} and {alone}")
    for (model, images), alone in ((MLP, eager[3]), (CNN, eager[7])):
        settings = TrainSettings(model=model, optimizer="adam", epochs=epochs, lr=0.01, device=device)
        yield check_resumption(settings, images, alone)


def check_resumption(settings: TrainSettings, images: Images, expected: str) -> Check:
    """Kill a training in the middle, start it again, and compare its bits with the expected ones."""
    middle = settings.epochs // 2
    with gpu_pool(1, settings.device) as pool:
        try:
            pool.submit(train_and_be_killed, settings, images, settings.model, middle).result()
            killed = False
        except BrokenExecutor:
            killed = True
        bits, resumed = pool.submit(train_and_be_killed, settings, images, settings.model, middle).result()
    succeeded = killed and resumed == middle and bits == expected
    return Check(
        f"bits after a kill, {settings.model}", succeeded, f"resumed after epoch {resumed}: {bits}, {expected}"
    )


def check_steps(device: str, epochs: int) -> Iterator[Check]:
    """Compare the time of eager and of replayed steps."""
    for (model, images), least in MIN_SPEEDUPS.items():
        settings = TrainSettings(model=model, epochs=epochs, device=device)
        eager = step_milliseconds(settings, images, ALL_ON._replace(graphs=False))
        replayed = step_milliseconds(settings, images)
        found = f"{eager:.2f} ms eager, {replayed:.2f} ms replayed: {eager / replayed:.1f} times, at least {least}"
        yield Check(f"steps, {model} {images.side}×{images.side}", eager >= least * replayed, found)


def check_grid(device: str, before: Path | None, settings: GridSettings) -> Check:
    """Compare the time of the grid's trainings with that of a single training by the code at `BEFORE`."""
    try:
        single = single_training_before(device, before)
    except (OSError, subprocess.CalledProcessError, tarfile.TarError) as error:
        return Check("grid", False, f"commit {BEFORE} cannot be run ({error}); name a checkout: --before FOLDER")
    seconds = grid_seconds(device, settings)
    found = f"{seconds:.2f} s, and {single:.2f} s for a single training before: {seconds / single:.2f} times"
    return Check("grid of digits", seconds <= MAX_GRID_RATIO * single, f"{found}, at most {MAX_GRID_RATIO}")


def grid_seconds(device: str, settings: GridSettings) -> float:
    """Return the time of the trainings of a grid side by side, in processes that have trained before."""
    cells = settings.cells()
    processes = min(len(cells), usable_cores())
    with gpu_pool(processes, device) as pool, tempfile.TemporaryDirectory() as folder:
        short = cells[0].model_copy(update={"epochs": 4})
        for future in [pool.submit(warm_up, short, Path(folder), processes) for _ in range(processes)]:
            future.result()
        started = time.perf_counter()
        for future in [pool.submit(complete_training, cell) for cell in cells]:
            future.result()
        return time.perf_counter() - started


def single_training_before(device: str, folder: Path | None) -> float:
    """Return the seconds of a training on digits by the code at `BEFORE`: the median of three, after another."""
    with tempfile.TemporaryDirectory() as scratch:
        if folder is None:
            archive = subprocess.run(["git", "archive", BEFORE, "src"], cwd=ROOT, capture_output=True, check=True)
            with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
                files.extractall(scratch, filter="data")
        command = [sys.executable, "-c", SINGLE_TRAINING, str((folder or Path(scratch)) / "src"), device]
        printed = subprocess.run(command, cwd=scratch, stdout=subprocess.PIPE, text=True, check=True)
    return float(printed.stdout.split()[-1])


def check_resnet(settings: TrainSettings) -> Check:
    """Compare the images per second of a ResNet-50 with those of a plain loop."""
    name = next(iter(VARIANTS))
    rates = compare(settings, {name: VARIANTS[name]}, repeats=2)
    ours, plain = max(rates[name]), max(rates["(b)"])
    found = f"{ours:.0f} images/s, and {plain:.0f} of a plain loop: {ours / plain:.2f}, at least {MIN_PLAIN_RATIO}"
    return Check("ResNet-50 in bf16", ours >= MIN_PLAIN_RATIO * plain, found)


def check_memory(device: str, epochs: int) -> Check:
    """Train three times in one process, and compare what it keeps of the GPU's memory."""
    settings, images = TrainSettings(model="cnn", epochs=epochs, device=device), LARGER_CNN[1]
    with gpu_pool(1, device) as pool:
        kept = [pool.submit(memory_after_training, settings, images).result() for _ in range(3)]
    found = ", ".join(f"{size / 2**20:.0f}" for size in kept)
    succeeded = kept[2] <= kept[1] and max(kept) <= MAX_KEPT_BYTES
    return Check("memory", succeeded, f"kept after three trainings: {found} MiB")


def groups_of_checks(device: str, before: Path | None) -> dict[str, Callable[[], Iterable[Check]]]:
    """Return functions that make the checks, by what they are about."""
    return {
        "bits": lambda: check_bits(device, epochs=12),
        "steps": lambda: check_steps(device, epochs=20),
        "grid": lambda: [check_grid(device, before, GridSettings(device=device))],
        "ResNet-50": lambda: [check_resnet(RESNET)],
        "memory": lambda: [check_memory(device, epochs=6)],
    }


def run_checks(groups: Mapping[str, Callable[[], Iterable[Check]]]) -> Iterator[Check]:
    """Make all checks; a group that ends with an error has failed, and the others are made."""
    for name, group in groups.items():
        try:
            yield from group()
        except Exception as error:
            yield Check(name, False, f"{type(error).__name__}: {error}")


def print_checks(checks: Iterable[Check]) -> int:
    """Print a line per check; return how many failed."""
    failed = 0
    for check in checks:
        print(f"{'OK' if check.succeeded else 'FAILED':<7} {check.name}: {check.found}", flush=True)
        failed += not check.succeeded
    return failed


def main() -> None:
    """Make and print all checks; exit with 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help=f"a checkout of commit {BEFORE}")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("torch finds no GPU here; these checks need one.")
        sys.exit(2)
    started = time.monotonic()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {usable_cores()} cores", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        failed = print_checks(run_checks(groups_of_checks(GPU, arguments.before and arguments.before.resolve())))
    print(f"{failed} failed, after {time.monotonic() - started:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
