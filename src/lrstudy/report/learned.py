"""The layers of a group's best network and the images that it misclassifies, from the artifacts of its run."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import mlflow
from pydantic import BaseModel

from lrstudy.report.cells import Cell, Training
from lrstudy.run_artifacts import read_artifact
from lrstudy.server_names import KIND, LAYERS, MISTAKES, TRAINING

# So many trainings of the best cell are asked for the artifacts: a study logs those of one.
MAX_ASKED = 3


class Shown(BaseModel):
    """An image by its true and its predicted class."""

    true: str
    predicted: str

    @property
    def classes(self) -> str:
        """The class, or `true → predicted` where they differ."""
        return self.true if self.true == self.predicted else f"{self.true} → {self.predicted}"


class Mistake(Shown):
    """A misclassified image: the probability of the predicted class, and a PNG file in base64."""

    confidence: float
    png: str


class Layer(BaseModel):
    """A layer: `accuracy` is the share of images that its output puts nearest to the mean of their own class."""

    name: str
    size: str
    neurons: int
    accuracy: float
    caption: str
    figure: str


class LayersFile(BaseModel):
    """The content of `layers.json`: `images` are those that were measured, `shown` those that figures show."""

    images: int
    pixels_accuracy: float
    accuracy: float
    shown: list[Shown]
    layers: list[Layer]


class MistakesFile(BaseModel):
    """The content of `mistakes.json`: of `images`, how many are misclassified, and the most confident mistakes."""

    images: int
    misclassified: int
    shown: list[Mistake]


@dataclass(frozen=True)
class Learned:
    """The layers and the mistakes of a training's network; `figures` of its layers are PNG files in base64, by path."""

    training: Training
    layers: LayersFile
    mistakes: MistakesFile
    figures: Mapping[str, str]


def read_learned(cell: Cell | None) -> Learned | None:
    """Return the layers and the mistakes of a network of a cell; None if no run of it has the artifacts.

    They are looked for in the run with the median loss first, the one whose figures a study logs.
    """
    if cell is None:
        return None
    by_loss = sorted(cell.trainings, key=lambda training: training.best_val_loss)
    middle = (len(by_loss) - 1) // 2
    order = sorted(range(len(by_loss)), key=lambda place: abs(place - middle))
    ours = [by_loss[place] for place in order if by_loss[place].run.tags.get(KIND) == TRAINING]
    return next(filter(None, map(_read, ours[:MAX_ASKED])), None)


def _read(training: Training) -> Learned | None:
    """Return the layers and the mistakes of a training's network; None if an artifact is missing or unreadable."""
    try:
        layers = LayersFile.model_validate_json(_artifact(training, LAYERS))
        mistakes = MistakesFile.model_validate_json(_artifact(training, MISTAKES))
        paths = [layer.figure for layer in layers.layers]
        figures = {path: base64.b64encode(_artifact(training, path)).decode("ascii") for path in paths}
        return Learned(training, layers, mistakes, figures)
    except Exception:  # each kind of artifact store has its own errors; the report is complete without these
        return None


def _artifact(training: Training, path: str) -> bytes:
    return read_artifact(training.run.artifact_uri, path, mlflow.get_tracking_uri())
