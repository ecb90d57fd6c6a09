"""Classify files with a trained network: processes decode them, and this one runs the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from lrstudy.crash_safe_pool import CrashSafePool
from lrstudy.prediction.decode_files import DecodedFiles, decode_files
from lrstudy.prediction.image_files import ImageFiles
from lrstudy.prediction.trained_network import TrainedNetwork
from lrstudy.training import runtime


@dataclass(frozen=True, eq=False)
class Predictions:
    """The probabilities of the classes of each file, float32 `(files, classes)`, NaN for the `broken` ones.

    `broken` are the reasons by the files' numbers.
    """

    probabilities: np.ndarray
    broken: Mapping[int, str]

    @cached_property
    def classes(self) -> np.ndarray:
        """The number of each file's class, int64 `(files,)`; -1 for a broken one."""
        best: np.ndarray = np.nan_to_num(self.probabilities, nan=-1.0).argmax(axis=1)
        best[list(self.broken)] = -1
        return best


def classify(
    files: ImageFiles,
    network: TrainedNetwork,
    device: str,
    pool: CrashSafePool,
    use: Callable[[DecodedFiles], None],
) -> Predictions:
    """Return the predictions of all files.

    Args:
        files: to classify.
        network: as it was loaded, on the CPU.
        device: the setting.
        pool: the processes that decode.
        use: called with some files at a time, once they are classified.

    Raises:
        SettingsError: this machine does not have the device.
    """
    here = runtime.prepare(network.settings.model_copy(update={"device": device}))
    classifier = network.classifier.to(here.device)
    probabilities = np.full((len(files.paths), len(network.classes)), np.nan, np.float32)
    broken: dict[int, str] = {}
    for decoded in decode_files(files.folder, files.paths, network.image_format, pool):
        broken |= decoded.broken
        if len(decoded.rows):
            with torch.inference_mode():
                answer = classifier(torch.from_numpy(decoded.pixels).to(here.device))
            probabilities[decoded.rows] = answer.cpu().numpy()
        use(decoded)
    return Predictions(probabilities, dict(sorted(broken.items())))
