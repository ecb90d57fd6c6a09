"""The device and the threads of a study's trainings, which are the same on all machines of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lrstudy.cluster.workers import ClusterWorker
from lrstudy.networks import BUILTIN_NETWORKS
from lrstudy.settings import TrainSettings
from lrstudy.study.pinned_settings import pin_settings
from lrstudy.study.trial_job import TrialJob

CUDA = "cuda"


@dataclass(frozen=True)
class StudyRuntime:
    """The device, its precision in words, and the CPU threads of each training."""

    device: str
    precision: str
    threads: int

    def slots(self, threads: int) -> int:
        """Return how many trainings a worker with this number of threads runs at a time."""
        return 1 if self.device.startswith(CUDA) else max(1, threads // self.threads)


def choose_runtime(training: TrainSettings, workers: Sequence[ClusterWorker]) -> StudyRuntime:
    """Return the runtime of a study from the reports of its first workers.

    `auto` is a GPU if every worker has one, else the CPU.
    """
    reports = [worker.report for worker in workers if worker.report]
    usable = [{name for name, device in report.devices.items() if not device.problem} for report in reports]
    common = set.intersection(*usable)
    first = reports[0].devices
    device = next((name for name in first if name in common), next(iter(first)))
    threads = _choose_threads(training, [worker.threads for worker in workers])
    return StudyRuntime(device, first[device].precision, threads)


def _choose_threads(training: TrainSettings, of_workers: Sequence[int]) -> int:
    """Return the threads of a training: `auto` is 1 for the project's own networks, else those of the workers."""
    if training.threads != "auto":
        return training.threads
    return 1 if training.model in BUILTIN_NETWORKS else min(of_workers)


def pin(argument: Any, runtime: StudyRuntime) -> Any:
    """Return an argument of a task with this device and these threads in its settings; any other as it is."""
    return pin_settings(argument, device=runtime.device, threads=runtime.threads)


def run_id_of(arguments: Sequence[Any]) -> str:
    """Return the run of the trial among the arguments of a task; an empty text if there is none."""
    return next((argument.run_id for argument in arguments if isinstance(argument, TrialJob)), "")
