"""Figures as PNG files, by the paths that they have among a run's artifacts. Needs no PyTorch."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lrstudy.plots import figures
from lrstudy.training import history
from lrstudy.training.result import CONFUSION, HISTORY

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def of_tables(title: str, tables: Mapping[str, bytes], best_epoch: int) -> dict[str, bytes]:
    """The loss curves and the confusions of a training that has ended.

    Args:
        title: of the loss curves.
        tables: the training's files by their paths, among them its history and its confusion matrix.
        best_epoch: the epoch that the latter is of.
    """
    epochs = history.read(tables[HISTORY])
    (_, *classes), *rows = csv.reader(io.StringIO(tables[CONFUSION].decode(), newline=""))
    counts = np.array([row[1:] for row in rows], dtype=np.int64)
    return png_files(
        {
            "loss_curves": figures.loss_curves(epochs, epochs[best_epoch], title),
            "confusion_matrix": figures.confusion(counts, classes),
        }
    )


def png_files(drawn: Mapping[str, Figure]) -> dict[str, bytes]:
    """The figures by their names as files by their paths."""
    files = {}
    with warnings.catch_warnings():
        # A class may be named in a script that matplotlib's font lacks: it is drawn as boxes, and that is all.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        for name, figure in drawn.items():
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=110)
            files[f"figures/{name}.png"] = file.getvalue()
    return files
