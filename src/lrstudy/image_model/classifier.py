"""The model that MLflow loads and serves: from images of any size and kind to classes and probabilities.

A copy of this module, and of all that it imports of this project, is in every logged model; the network is there as a
graph that torch.export made. Hence the model runs where this project is not installed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from lrstudy.compat.mlflow_serving import convert_inputs
from lrstudy.data.image_format import ImageFormat
from lrstudy.image_model.image_inputs import COLUMN, read_row, to_frame
from lrstudy.image_model.prediction_table import prediction_frame

# The names of the model's artifacts, and of their files.
NETWORK, FACTS = "network", "facts"
NETWORK_FILE, FACTS_FILE = "model.pt2", "image_classifier.json"
IMAGES_PER_BATCH = 64


class ImageClassifier(PythonModel):
    """A network with the format of its images and the names of its classes."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the network and the facts about its images."""
        facts = json.loads(Path(context.artifacts[FACTS]).read_text(encoding="utf-8"))
        self._classes = [str(name) for name in facts["classes"]]
        ranges = {kind: (black, white) for kind, (black, white) in facts["ranges"].items()}
        self._format = ImageFormat(facts["side"], facts["channels"], facts["fit"], ranges)
        self._network = torch.export.load(context.artifacts[NETWORK]).module()

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:  # type: ignore[override]  # as MLflow allows
        """Return the class of each image, and its probability for each class; `model_input` is as for `to_frame`.

        Raises:
            ImageInputError: a row is not an image.
        """
        frame = to_frame(model_input)
        images = frame[COLUMN]
        starts = range(0, len(images), IMAGES_PER_BATCH)
        batches = [self._classify(images.iloc[start : start + IMAGES_PER_BATCH], start) for start in starts]
        none = np.empty((0, len(self._classes)), np.float32)
        return prediction_frame(np.concatenate([none, *batches]), self._classes).set_index(frame.index)

    def _classify(self, images: pd.Series, first: int) -> np.ndarray:
        pixels = np.stack([read_row(number, value, self._format) for number, value in enumerate(images, first)])
        with torch.inference_mode():
            probabilities: np.ndarray = self._network(torch.from_numpy(pixels)).numpy()
        return probabilities


convert_inputs(ImageClassifier, to_frame)
