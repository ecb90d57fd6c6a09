"""The table of predictions: the class of each image, and its probability for each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

CLASS, PROBABILITY = "class", "probability_"


def prediction_columns(classes: Sequence[str]) -> list[str]:
    """Return the columns of the table: the class, and the probability of each class."""
    return [CLASS, *(f"{PROBABILITY}{name}" for name in classes)]


def prediction_frame(probabilities: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return the table of probabilities, float32 `(images, classes)`."""
    best = [classes[number] for number in probabilities.argmax(axis=1)]
    return pd.DataFrame(dict(zip(prediction_columns(classes), [best, *probabilities.T], strict=True)))
