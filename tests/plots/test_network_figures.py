"""The layers and the mistakes of a trained network, compared with scikit-learn and with the network's own answers."""

import base64
import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

from lrstudy.plots.layer_figures import LABEL_SIZE, ShownImage, maps_figure
from lrstudy.plots.layer_outputs import MAX_LAYERS, LayerOutput, read_outputs
from lrstudy.plots.network_figures import network_figures
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import setup
from lrstudy.training.setup import TrainingSetup


@cache
def trained(model: str = "mlp") -> TrainingSetup:
    training = setup.build(planned(TrainSettings(model=model, hidden=(16, 8), epochs=3, lr=0.01, threads=1)))
    for _ in training.epochs():
        pass
    training.network.eval()
    return training


def inputs(rows: np.ndarray) -> np.ndarray:
    data = trained().plan.data
    (mean,), (std,) = trained().plan.normalisation
    values: np.ndarray = ((data.images[rows].astype(np.float32) - mean) / std).reshape(len(rows), -1)
    return values


def test_the_separation_of_classes_is_that_of_the_nearest_class_means() -> None:
    training = trained()
    data = training.plan.data
    outputs = read_outputs(training, [0, 1])
    fitted = data.train[:1000]
    features = {"train": inputs(fitted), "validation": inputs(data.validation)}
    expected = [_centroids(features["train"], data.labels[fitted], features["validation"])]
    linears = [layer for layer in training.network.modules() if isinstance(layer, torch.nn.Linear)]
    for linear in linears[:2]:
        weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
        features = {name: np.maximum(values @ weight.T + bias, 0) for name, values in features.items()}
        expected.append(_centroids(features["train"], data.labels[fitted], features["validation"]))
    assert [outputs.pixels_accuracy, *(layer.accuracy for layer in outputs.layers)] == pytest.approx(
        expected, abs=0.005
    )
    assert [layer.shape for layer in outputs.layers] == [(16,), (8,)]
    assert np.allclose(outputs.layers[1].strengths, features["validation"], atol=1e-3)


def _centroids(train: np.ndarray, labels: np.ndarray, validation: np.ndarray) -> float:
    data = trained().plan.data
    means = np.stack([train[labels == one].mean(0) for one in range(10)])
    nearest = KNeighborsClassifier(1).fit(means, range(10))
    return float(nearest.score(validation, data.labels[data.validation]))


def test_mistakes_are_those_of_the_network_the_most_confident_first() -> None:
    training = trained()
    data = training.plan.data
    files = network_figures(training, "digits")
    mistakes = json.loads(files["mistakes.json"])
    probabilities = training.classifier(torch.from_numpy(data.images[data.validation])).detach().numpy()
    true, predicted = data.labels[data.validation], probabilities.argmax(1)
    wrong = sorted(np.flatnonzero(true != predicted), key=lambda index: -probabilities[index].max())
    assert mistakes["misclassified"] == len(wrong) > 0
    shown = mistakes["shown"]
    assert [(one["true"], one["predicted"]) for one in shown] == [(str(true[i]), str(predicted[i])) for i in wrong[:24]]
    assert [one["confidence"] for one in shown] == pytest.approx([probabilities[i].max() for i in wrong[:24]], abs=1e-5)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown[0]["png"]))))
    assert picture.shape == (96, 96)
    assert np.array_equal(picture[::12, ::12], data.images[data.validation[wrong[0]], ..., 0])


def test_a_network_of_convolutions_shows_maps_on_images_of_several_classes() -> None:
    files = network_figures(trained("cnn"), "digits")
    content = json.loads(files["layers.json"])
    assert len(content["layers"]) <= MAX_LAYERS
    assert content["layers"][0]["size"] == "16 maps of 8×8"
    assert content["layers"][-1]["size"] == "8 neurons"
    assert [one["true"] for one in content["shown"]] == ["0", "3", "6", "9"]
    for layer in content["layers"]:
        assert Image.open(io.BytesIO(files[layer["figure"]])).size[0] == 960


def test_a_network_that_takes_no_empty_batch_is_shown(tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text(
        "import torch\n"
        "class Network(torch.nn.Module):\n"
        "    def __init__(self, channels, side, classes):\n"
        "        super().__init__()\n"
        "        self.first, self.last = torch.nn.Linear(channels * side**2, 8), torch.nn.Linear(8, classes)\n"
        "    def forward(self, images):\n"
        "        return self.last(self.first(images.view(len(images), -1)).relu())\n"
    )
    training = setup.build(planned(TrainSettings(model=f"{code}:Network", threads=1)))
    training.network.eval()
    (layer,) = read_outputs(training, [0]).layers
    assert layer.shape == (8,)


def test_the_labels_of_layers_are_within_the_figure() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    images = [ShownImage(pixels, "boots & leather", "WWWWWWWWWWWWWW"), ShownImage(pixels, "cat", "cat")]
    maps = np.zeros((2, 6, 4, 4))
    figure = maps_figure("title", images, LayerOutput("layer", (6, 4, 4), 0.5, np.zeros((2, 6)), maps), None)
    figure.draw_without_rendering()
    wide, narrow = figure.axes[0].texts
    assert wide.get_text() == "boots & leath…\n→ WWWWWWWWWWWWWW"
    assert wide.get_window_extent().x0 >= 0
    assert narrow.get_fontsize() == LABEL_SIZE
