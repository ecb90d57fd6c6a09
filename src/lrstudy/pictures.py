"""The pictures of a training that has ended, a row of the table each: loss curves, confusions, filters, layers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from sklearn.metrics import confusion_matrix

from lrstudy.experiment import Experiment
from lrstudy.result import PICTURES, Result
from lrstudy.settings import typed
from lrstudy.training import predict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(experiment: Experiment, result: Result, names: Iterable[str] = PICTURES) -> dict[str, bytes]:
    """The pictures called `names`, PNG files by their paths."""
    drawn = {}
    with warnings.catch_warnings():
        # A class may be named in a script that matplotlib's font lacks: it is drawn as boxes, and that is all.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        for name in names:
            file = io.BytesIO()
            _PICTURES[name](experiment, result).savefig(file, format="png", dpi=110)
            drawn[f"figures/{name}.png"] = file.getvalue()
    return drawn


def _loss_curves(experiment: Experiment, result: Result) -> Figure:
    from lrstudy import figures

    data, settings = experiment.plan.data, experiment.plan.settings
    what = f"{data.name}: {settings.model}, {settings.optimizer}, learning rate {typed(settings.lr)}"
    return figures.loss_curves(result.history, result.best, f"{what}: {result.verdict.word}")


def _confusion_matrix(experiment: Experiment, _: Result) -> Figure:
    from lrstudy import figures

    data = experiment.plan.data
    predicted = predict(experiment.network, experiment.validation)
    counts = confusion_matrix(data.labels[data.validation], predicted, labels=range(len(data.classes)))
    return figures.confusion(counts, data.classes)


def _first_layer_filters(experiment: Experiment, _: Result) -> Figure:
    from lrstudy import figures, layers

    _, side, _, channels = experiment.plan.data.images.shape
    return figures.filters(layers.first_filters(experiment.network, channels, side))


def _what_each_layer_sees(experiment: Experiment, _: Result) -> Figure:
    from lrstudy import figures, layers

    data = experiment.plan.data
    seen = layers.activations(experiment.network, experiment.validation.batch(torch.arange(1))[0])
    return figures.activation_maps(data.images[data.validation[0]], seen, data.classes)


_PICTURES: dict[str, Callable[[Experiment, Result], Figure]] = {
    "loss_curves": _loss_curves,
    "confusion_matrix": _confusion_matrix,
    "first_layer_filters": _first_layer_filters,
    "what_each_layer_sees": _what_each_layer_sees,
}
