"""What a layer makes of an image: a record that needs no PyTorch."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Activation:
    """What one layer made of one image: `(channels, height, width)`, `(tokens, width)` or `(neurons,)`."""

    layer: str
    values: np.ndarray
