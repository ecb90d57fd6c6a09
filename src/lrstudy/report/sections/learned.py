"""The layers of the best network, from simple to abstract, and the images that it misclassifies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrstudy.formatting import format_percent, pluralize
from lrstudy.report.drawing import Drawing
from lrstudy.report.group_report import GroupReport
from lrstudy.report.sections.section import Bars, Block, Note, Picture, Pictures


def layer_blocks(group_report: GroupReport, _: Sequence[Drawing]) -> Iterator[Block]:
    """Yield how well each layer separates the classes, and a picture of each."""
    if not (learned := group_report.learned):
        return
    content, layers = learned.layers, learned.layers.layers
    yield Note(f"The network of {learned.training.run.name}, from its input to its output: from simple to abstract.")
    shares = [
        ("pixels", content.pixels_accuracy),
        *((f"layer {number}, {layer.size}", layer.accuracy) for number, layer in enumerate(layers, 1)),
        ("the network", content.accuracy),
    ]
    caption = (
        "Separation of the classes: the share of "
        f"{pluralize(content.images, 'validation image')} that are nearest to the mean of their own class, by the "
        "pixels and by the outputs of each layer; last, the share that the network classifies correctly."
    )
    bars = tuple((name, share, format_percent(share)) for name, share in shares)
    yield Bars("Separation of the classes by layer", caption, bars)
    shown = ", ".join(one.classes for one in content.shown)
    yield Pictures(
        tuple(
            Picture(
                learned.figures[layer.figure],
                f"Layer {number}, {layer.name}, on images of the classes {shown}. {layer.caption}",
                f"Layer {number} of {len(layers)} ({layer.name}): {layer.size}, {layer.neurons:,} outputs. "
                f"{layer.caption} Nearest to the mean of its class: {format_percent(layer.accuracy)}.",
            )
            for number, layer in enumerate(layers, 1)
        )
    )


def mistake_blocks(group_report: GroupReport, _: Sequence[Drawing]) -> Iterator[Block]:
    """Yield the misclassified validation images, the most confident first."""
    if not (learned := group_report.learned):
        return
    content, shown = learned.mistakes, learned.mistakes.shown
    wrong, total = content.misclassified, pluralize(content.images, "validation image")
    if not shown:
        yield Note(f"{learned.training.run.name} classifies all of {total} correctly.")
        return
    first = f"; the first {len(shown)}" if wrong > len(shown) else ""
    yield Note(
        f"{learned.training.run.name} misclassifies {wrong} of {total} ({wrong / content.images:.1%}){first}, the "
        "most confident first: true class → predicted class, with the probability of the latter.",
        quiet=True,
    )
    yield Pictures(
        tuple(Picture(one.png, f"An image of {one.classes}", f"{one.classes}, {one.confidence:.0%}") for one in shown),
        small=True,
    )
