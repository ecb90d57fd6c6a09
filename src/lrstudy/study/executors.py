"""The executor that runs the trials of a study.

To run them elsewhere, return another `concurrent.futures.Executor` from `open_executor`. A study asks three things of
it:

- `submit` pickles the arguments and runs a function of `lrstudy.study.worker_tasks` where this package is importable;
- a `Future` whose worker died fails with `BrokenExecutor` or a class derived from it: its trial is then retried;
- `shutdown(cancel_futures=True)` ends what runs.

With `cluster=`, the trials run on the executor of `open_cluster`, which brings a progress channel of its own.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TYPE_CHECKING

from lrstudy.crash_safe_pool import CrashSafePool
from lrstudy.hardware import usable_cores
from lrstudy.settings import StudySettings
from lrstudy.settings.fields import NO_CLUSTER
from lrstudy.study.gpu_pool import GpuPool
from lrstudy.study.progress_channel import Progress, ProgressChannel
from lrstudy.training.gpu_use import most_trainings, share_gpus
from lrstudy.training.specification import PreflightResult, StudyContext

if TYPE_CHECKING:
    from lrstudy.cluster.executor import ClusterExecutor


@dataclass(frozen=True)
class TrialWorkers:
    """The workers of a study's trials: an executor, the channel of their progress, and how many run at a time now."""

    executor: Executor
    channel: Progress
    count: Callable[[], int]


@contextmanager
def open_trial_workers(
    settings: StudySettings, preflight: PreflightResult, cluster: ClusterExecutor | None
) -> Iterator[TrialWorkers]:
    """Yield the workers of a study's trials; those of this machine end with the `with` block."""
    if cluster:
        yield TrialWorkers(cluster, cluster.progress, partial(trainings_at_once, settings, preflight, cluster))
        return
    with ProgressChannel() as channel:
        if slots := gpu_slots(settings, preflight):
            with _open_gpus(slots) as gpus:
                yield TrialWorkers(gpus, channel, lambda: gpus.slots.total)
        else:
            count = trainings_at_once(settings, preflight, None)
            with open_executor(count) as executor:
                yield TrialWorkers(executor, channel, lambda: count)


def trainings_at_once(settings: StudySettings, preflight: PreflightResult, cluster: ClusterExecutor | None) -> int:
    """Return the number of trainings that run at a time now; that of a cluster changes with its workers."""
    if cluster:
        return cluster.slots if settings.workers == "auto" else min(settings.workers, cluster.slots)
    return sum(gpu_slots(settings, preflight).values()) or most_at_once(settings, preflight, None)


def most_at_once(settings: StudySettings, preflight: PreflightResult, cluster: ClusterExecutor | None) -> int:
    """Return the number of trainings that run at a time if no GPU lacks memory; proposals may depend on it."""
    if cluster:
        return trainings_at_once(settings, preflight, cluster)
    context, workers = preflight.context, None if settings.workers == "auto" else settings.workers
    if preflight.gpu_use:
        return most_trainings(len(preflight.gpu_use.gpus), workers, _processes(context))
    return workers or (_processes(context) if context.device == "cpu" else 1)


def gpu_slots(settings: StudySettings, preflight: PreflightResult) -> dict[str, int]:
    """Return the trainings at a time on each GPU of this machine, by its name; none if they run on the CPU."""
    workers = None if settings.workers == "auto" else settings.workers
    return share_gpus(preflight.gpu_use, workers, _processes(preflight.context)) if preflight.gpu_use else {}


def _processes(context: StudyContext) -> int:
    """Return the number of trainings that have a core for each of their threads."""
    return max(1, usable_cores() // context.threads)


@contextmanager
def open_cluster(settings: StudySettings) -> Iterator[ClusterExecutor | None]:
    """Yield the executor of the cluster that the settings name, None if they name none."""
    if settings.cluster == NO_CLUSTER:
        yield None
        return
    from lrstudy.cluster.executor import ClusterExecutor  # Dask takes a second to import

    cluster = ClusterExecutor(settings.cluster)
    try:
        yield cluster
    finally:
        cluster.shutdown(cancel_futures=True)


@contextmanager
def open_executor(workers: int) -> Iterator[Executor]:
    """Yield the executor of a study's trials, which runs `workers` of them at a time; end it with the `with` block."""
    executor = local_processes(workers)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _open_gpus(slots: Mapping[str, int]) -> Iterator[GpuPool]:
    """Yield the executor of a study's trials on GPUs, with slots on each by its name; end it with the `with` block."""
    executor = GpuPool(slots, *_process_arguments())
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def local_processes(count: int) -> CrashSafePool:
    """Return processes forked from one that has imported PyTorch and nothing else, so that they start at once.

    They work in the current folder and with the current environment, which may have changed since the fork server
    started.
    """
    return CrashSafePool(count, *_process_arguments())


def _process_arguments() -> tuple[BaseContext, Callable[..., None], tuple[dict[str, str], Path]]:
    return multiprocessing.get_context("forkserver"), _enter, (dict(os.environ), Path.cwd())


def _enter(environment: dict[str, str], folder: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
