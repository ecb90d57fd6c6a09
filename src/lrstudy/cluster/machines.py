"""The tasks of the children of workers besides training: prepare, inspect their machine, and receive data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lrstudy import cache_paths
from lrstudy.cluster.agent import SESSION_FOLDER
from lrstudy.data import received
from lrstudy.data.received import SentData
from lrstudy.errors import DataError, SettingsError
from lrstudy.settings import TrainSettings

MISSING = ""


@dataclass(frozen=True)
class StudyInputs:
    """The inputs of the trainings of a study, as the driver's machine has them.

    `digest` is that of the data that `settings` name, and `files_state` the state of their files; `files` are the
    contents of the user's own files, and `weights` the digests of pretrained weights, by the settings' values.
    """

    settings: TrainSettings
    digest: str
    files_state: str
    files: Mapping[str, bytes]
    weights: Mapping[str, str]


@dataclass(frozen=True)
class DeviceReport:
    """A device of a machine; `problem` is the reason why the settings cannot be used with it, if any."""

    precision: str = ""
    hardware: str = ""
    processor: str = ""
    problem: str = ""


@dataclass(frozen=True)
class MachineReport:
    """A machine as its child found it.

    `digest` is that of its data, MISSING if it has none, for the reason `problem`. `devices` are those that the study
    may use, by name, the preferred one first. `cache` is its folder of received data, and `has_checkpoints` is whether
    it sees the folder of checkpoints. `weights` are the digests of pretrained weights.
    """

    digest: str
    problem: str
    devices: Mapping[str, DeviceReport]
    cache: str
    has_checkpoints: bool
    weights: Mapping[str, str]


def prepare(
    folder: Path, settings: TrainSettings, digest: str, files: Mapping[str, bytes], checkpoints: Path | None
) -> None:
    """Prepare this process for the trainings of a study.

    Args:
        folder: the working folder of the driver.
        settings: of the data.
        digest: of the data.
        files: the contents of the user's own files, by the settings' values.
        checkpoints: a file in the folder of checkpoints that machines share; where it is missing, as without such a
            folder, checkpoints are kept beside the code until the study ends.
    """
    from lrstudy import user_code
    from lrstudy.study import trial

    with suppress(OSError):  # where the machine has no such folder, paths are absolute or sent
        os.chdir(folder)
    shared = checkpoints.parent if checkpoints and checkpoints.exists() else None
    os.environ[cache_paths.CHECKPOINTS] = str(shared or Path(os.environ[SESSION_FOLDER]) / "checkpoints")
    user_code.provide_files(files)
    trial.expect_data(settings, digest)


def read_inputs(trainings: tuple[TrainSettings, ...]) -> StudyInputs:
    """Return the inputs of these trainings on this machine.

    Raises:
        DataError: the images are missing, broken, or too few.
        SettingsError: a file of the user, or of weights, cannot be read.
    """
    from lrstudy.study import trial

    settings = trial.data_settings(trainings[0])
    data = trial.loaded_data(settings)
    files = {reference.text: reference.content for training in trainings for reference in training.code}
    return StudyInputs(settings, data.digest, data.files_state, files, _weights(trainings[0]))


def prepare_to_send(settings: TrainSettings, folder: Path) -> SentData:
    """Return the data of these settings in a form that can be sent."""
    from lrstudy.study import trial

    return received.prepare_to_send(trial.loaded_data(settings), folder)


def inspect(training: TrainSettings, checkpoints: Path | None) -> MachineReport:
    """Return a report on this machine for a training.

    Args:
        training: of the study.
        checkpoints: a file in the folder of checkpoints; None without such a folder.
    """
    from lrstudy.study import trial

    digest, problem, weights = MISSING, "", dict[str, str]()
    try:
        digest = trial.loaded_data(trial.data_settings(training)).digest
    except DataError as error:
        problem = str(error)
    with suppress(SettingsError):  # a training would give the reason; here they differ from the driver's
        weights = _weights(training)
    has_checkpoints = checkpoints is None or checkpoints.exists()
    return MachineReport(digest, problem, _devices(training), str(received.folder()), has_checkpoints, weights)


def has_pixels(pixels_digest: str) -> bool:
    """Return whether these pixels were received earlier."""
    return received.pixels_path(pixels_digest).exists()


def _weights(training: TrainSettings) -> dict[str, str]:
    from lrstudy.pretrained import NONE, find_weights

    if training.weights == NONE:
        return {}
    return {training.weights: find_weights(training.weights, training.model).digest}


def _devices(training: TrainSettings) -> dict[str, DeviceReport]:
    """Return the device that the settings name; for `auto`, the fastest one and the CPU."""
    names = ("auto", "cpu") if training.device == "auto" else (training.device,)
    reports = {}
    for name in names:
        device, report = _device_report(training.model_copy(update={"device": name}))
        reports[device] = report
    return reports


def _device_report(training: TrainSettings) -> tuple[str, DeviceReport]:
    from lrstudy import hardware
    from lrstudy.training import runtime

    try:
        found = runtime.prepare(training)
    except SettingsError as error:
        return training.device, DeviceReport(problem=str(error))
    device = found.device
    return str(device), DeviceReport(found.precision, hardware.describe(device), hardware.processor(device))
