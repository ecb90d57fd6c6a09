"""Captions for the figures of a network's layers: their content, and the features to look for."""

from __future__ import annotations

from collections.abc import Sequence

from lrstudy.formatting import pluralize


def describe_size(shape: Sequence[int]) -> str:
    """Return the size of a layer's output in words.

    Args:
        shape: `(maps, height, width)`, `(tokens, width)` or `(neurons,)`.
    """
    if len(shape) == 3:
        return f"{pluralize(shape[0], 'map')} of {shape[1]}×{shape[2]}"
    return pluralize(shape[0], "neuron") if len(shape) == 1 else f"{shape[0]} tokens of {shape[1]} numbers"


def caption(shape: Sequence[int], number: int, layers: int) -> str:
    """Return the caption of a layer's figure, with the patterns to look for at its depth.

    Args:
        shape: of the layer's output.
        number: of the layer, from 1 on.
        layers: how many are shown.
    """
    depth = (number - 1) / max(layers - 1, 1)
    if len(shape) == 3:
        shows = "A row per image; a column per map, those that vary most: bright where it responds."
        if depth < 1 / 3:
            return f"{shows} Look for edges and patches of one colour."
        if depth < 2 / 3:
            return f"{shows} Look for textures and contours: a map responds to them wherever they are."
        return f"{shows} Look for parts: few bright places, and maps that respond to some classes alone."
    shows = (
        "A row per neuron, those that vary most: the validation images that excite it most, and how many are of "
        "one class."
    )
    if number == 1:
        return f"{shows} Where its weights stand first, red pixels excite it and blue ones inhibit it."
    if depth < 1:
        return f"{shows} Look for rows of images that share a shape or a colour, not yet a class."
    return f"{shows} Look for rows of a single class: this layer is the last before the classes."
