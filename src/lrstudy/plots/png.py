"""Figures as PNG files, by their paths among a run's artifacts, without importing PyTorch."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from lrstudy.csv_tables import from_csv
from lrstudy.figure_layout import FIXED_TITLES, fix_layout
from lrstudy.plots import figures
from lrstudy.plots.fonts import find_fonts
from lrstudy.training import history
from lrstudy.training.result import CONFUSION, HISTORY

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DPI = 200


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
    fonts = find_fonts("".join([title, *classes]))
    for sentence in fonts.describe():
        print(f"warning: {sentence}", file=sys.stderr, flush=True)
    with fonts.use(), mpl.rc_context(FIXED_TITLES):
        return png_files(
            {
                "loss_curves": figures.loss_curves(epochs, epochs[best_epoch], fonts.legible(title)),
                "confusion_matrix": figures.confusion(
                    counts, [fonts.legible(name) for name in classes], fonts.legible(title)
                ),
            }
        )


def png_files(named_figures: Mapping[str, Figure], folder: str = "figures") -> dict[str, bytes]:
    """Return PNG files by their paths in a folder, from figures by their names."""
    pngs = {}
    for name, figure in named_figures.items():
        file = io.BytesIO()
        fix_layout(figure, DPI)
        figure.savefig(file, format="png", dpi=DPI)
        pngs[f"{folder}/{name}.png"] = file.getvalue()
    return pngs
