"""The pictures of a training that has ended: loss curves, confusions, filters, layers. Needs no PyTorch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

from lrstudy import figures
from lrstudy.epoch import Epoch
from lrstudy.settings import TrainSettings, typed
from lrstudy.sight import Sight


def draw(
    settings: TrainSettings, history: Sequence[Epoch], best: Epoch, verdict: str, sight: Sight
) -> dict[str, bytes]:
    """PNG files by their paths."""
    what = f"{sight.data}: {settings.model}, {settings.optimizer}, learning rate {typed(settings.lr)}"
    drawn = {
        "loss_curves": figures.loss_curves(history, best, f"{what}: {verdict}"),
        "confusion_matrix": figures.confusion(sight.confusion, sight.classes),
        "first_layer_filters": figures.filters(sight.filters),
        "what_each_layer_sees": figures.activation_maps(sight.image, sight.activations, sight.classes),
    }
    files = {}
    with warnings.catch_warnings():
        # A class may be named in a script that matplotlib's font lacks: it is drawn as boxes, and that is all.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        for name, figure in drawn.items():
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=110)
            files[f"figures/{name}.png"] = file.getvalue()
    return files
