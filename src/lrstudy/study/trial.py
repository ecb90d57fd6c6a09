"""The training of a trial in a worker, which reports its epochs and returns its result."""

from __future__ import annotations

import platform
from functools import cache

from lrstudy import hardware
from lrstudy.data import ImageData, received
from lrstudy.data.sources import DOWNLOADS
from lrstudy.errors import DataError
from lrstudy.formatting import join_or, printable
from lrstudy.settings import DATA_SETTINGS, TrainSettings
from lrstudy.study.gpu_errors import gpu_errors
from lrstudy.study.progress_channel import ProgressSender
from lrstudy.study.trial_job import TrialJob
from lrstudy.training import artifacts, checkpoint, runtime, setup
from lrstudy.training.continuation import write_beginning
from lrstudy.training.hidden_state import has_hidden_state
from lrstudy.training.plan import TrainingPlan, load_data
from lrstudy.training.progress import Progress, finalize, track_best
from lrstudy.training.result import LAST_STATE, Beginning, Machine, WorkerResult
from lrstudy.training.setup import TrainingSetup
from lrstudy.user_code import errors_of_files

# The digests of data that a driver has found, by their `data_settings`.
_expected: dict[TrainSettings, str] = {}


def run_trial(job: TrialJob) -> WorkerResult:
    """Train `job` from the last checkpoint of an earlier attempt; end early on a stop request.

    Raises:
        DataError: the images have changed since the study began.
        UserCodeError: the user's own network or optimizer fails.
        GpuError: the GPU fails, or has too little memory.
    """
    plan = as_begun(job.settings, job.key)
    with errors_of_files(plan.settings.code), gpu_errors():
        training, progress = checkpoint.resume(setup.build(plan), job.run_id)
        machine = Machine(platform.node(), hardware.describe(plan.runtime.device))
        if not _train(job, training, progress):
            return WorkerResult(tuple(progress.history), machine=machine)
        kept = {LAST_STATE: checkpoint.state(training, progress)} if job.settings.keep == "last" else {}
        result = finalize(training, progress)
    files = artifacts.artifact_files(training, result) | kept
    return WorkerResult(result.history, result, files, plan.model_inputs, machine, training.passes.left_out)


def checkpointed_epoch(job: TrialJob) -> int:
    """Return the epoch after which a run of `job` would resume; -1 if it would start over."""
    return checkpoint.last_epoch(setup.build(as_begun(job.settings, job.key)), job.run_id)


def begin_from(job: TrialJob, beginning: Beginning) -> None:
    """Write the checkpoint of the job's run, so that it continues the training of another run.

    Raises:
        SettingsError: what the other run has kept cannot be used.
    """
    write_beginning(setup.build(as_begun(job.settings, job.key)), job.run_id, beginning)


def as_begun(settings: TrainSettings, key: str) -> TrainingPlan:
    """Return the plan of the training with this key, which `settings` describe.

    Raises:
        DataError: the images have changed since the study began.
    """
    plan = planned(settings)
    if plan.specification.key != key:
        files = join_or(["the images", *map(str, plan.files)])
        raise DataError(f"data={printable(settings.data)}: {files} have changed since the study began; start it again.")
    return plan


def planned(settings: TrainSettings) -> TrainingPlan:
    """Return the plan of a training on this process's device; the data are loaded once per process."""
    prepared = runtime.prepare(settings)
    return TrainingPlan(settings, loaded_data(data_settings(settings)), prepared)


def _train(job: TrialJob, training: TrainingSetup, progress: Progress) -> bool:
    """Train to the end, or until a stop request; return whether the end was reached."""
    sender = ProgressSender(job.progress_address, job.number)
    for epoch in progress.history:
        sender.send(epoch)
    epochs = track_best(training, progress, training.epochs(len(progress.history) - 1))
    if not has_hidden_state(training.plan):
        epochs = checkpoint.save_checkpoints(training, job.run_id, progress, epochs)
    for epoch in epochs:
        sender.send(epoch)
        if (last := sender.stop_epoch()) is not None and epoch.epoch >= last:
            return False
    return True


def data_settings(settings: TrainSettings) -> TrainSettings:
    """Return settings with those of the data alone; all others have their defaults."""
    return TrainSettings(**{name: getattr(settings, name) for name in DATA_SETTINGS})


def expect_data(settings: TrainSettings, digest: str) -> None:
    """Use the data with this digest that another machine has sent, if these cannot be read; download none."""
    _expected[data_settings(settings)] = digest
    loaded_data.cache_clear()


@cache
def loaded_data(settings: TrainSettings) -> ImageData:
    """Load the data of `data_settings`, once per process.

    Raises:
        DataError: the images are missing, broken, or too few.
    """
    digest = _expected.get(settings)
    if digest is None:
        return load_data(settings)
    downloads = DOWNLOADS.set(False)
    try:
        return load_data(settings)
    except DataError:
        if data := received.read(digest):
            return data
        raise
    finally:
        DOWNLOADS.reset(downloads)
