"""Figures as PNG files, by their paths among a run's artifacts, without importing PyTorch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lrstudy.csv_tables import from_csv
from lrstudy.plots import figures
from lrstudy.training import history
from lrstudy.training.result import CONFUSION, HISTORY

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_figures(title: str, files: Mapping[str, bytes], best_epoch: int) -> dict[str, bytes]:
    """Draw the loss curves and the confusion matrix of a training that has ended.

    Args:
        title: of the loss curves.
        files: the training's files by their paths, among them its history and its confusion matrix.
        best_epoch: the epoch of the confusion matrix.
    """
    epochs = history.from_csv(files[HISTORY])
    (_, *classes), *rows = from_csv(files[CONFUSION].decode())
    counts = np.array([row[1:] for row in rows], dtype=np.int64)
    return png_files(
        {
            "loss_curves": figures.loss_curves(epochs, epochs[best_epoch], title),
            "confusion_matrix": figures.confusion(counts, classes),
        }
    )


def png_files(named_figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Return PNG files by their paths, from figures by their names."""
    pngs = {}
    with warnings.catch_warnings():
        # The name of a class may use a script that matplotlib's font lacks: it is drawn as boxes, without a warning.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        for name, figure in named_figures.items():
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=110)
            pngs[f"figures/{name}.png"] = file.getvalue()
    return pngs
