"""The table of a training's epochs, `history.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields

from lrstudy.training.epoch import Epoch


def to_csv(epochs: Sequence[Epoch]) -> bytes:
    """Return a table with a row per epoch and a column per field of `Epoch`."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([field.name for field in fields(Epoch)])
    writer.writerows(astuple(epoch) for epoch in epochs)
    return file.getvalue().encode()


def from_csv(table: bytes) -> list[Epoch]:
    """Return the epochs of a table that `to_csv` wrote."""
    rows = csv.DictReader(io.StringIO(table.decode(), newline=""))
    return [Epoch(int(row.pop("epoch")), **{name: float(value) for name, value in row.items()}) for row in rows]
