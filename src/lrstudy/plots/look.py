"""What a trained network has learned to see, drawn: its first filters, and what each layer makes of an image."""

from __future__ import annotations

import torch

from lrstudy.plots import figures, layers, png
from lrstudy.training.setup import TrainingSetup


def look(experiment: TrainingSetup) -> dict[str, bytes]:
    """The pictures of the network as it is, PNG files by their paths."""
    data = experiment.plan.data
    _, side, _, channels = data.images.shape
    seen = layers.activations(experiment.network, experiment.validation.batch(torch.arange(1))[0])
    return png.png_files(
        {
            "first_layer_filters": figures.filters(layers.first_filters(experiment.network, channels, side)),
            "what_each_layer_sees": figures.activation_maps(data.images[data.validation[0]], seen, data.classes),
        }
    )
