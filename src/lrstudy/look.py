"""What pictures of a trained network show, worked out where PyTorch is: confusions, filters, activations."""

from __future__ import annotations

import torch
from sklearn.metrics import confusion_matrix

from lrstudy import layers
from lrstudy.experiment import Experiment
from lrstudy.sight import Sight
from lrstudy.training import predict


def look(experiment: Experiment) -> Sight:
    """What the network, as it is, makes of the validation part."""
    data = experiment.plan.data
    predicted = predict(experiment.network, experiment.validation)
    counts = confusion_matrix(data.labels[data.validation], predicted, labels=range(len(data.classes)))
    _, side, _, channels = data.images.shape
    return Sight(
        data.name,
        data.classes,
        counts,
        layers.first_filters(experiment.network, channels, side),
        data.images[data.validation[0]],
        tuple(layers.activations(experiment.network, experiment.validation.batch(torch.arange(1))[0])),
    )
