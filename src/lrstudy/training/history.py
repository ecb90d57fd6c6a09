"""The table of a training's epochs, `history.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields

from lrstudy.training.epoch import CAUSES, Epoch


def to_csv(epochs: Sequence[Epoch]) -> bytes:
    """Return a table with a row per epoch and a column per field of `Epoch`; causes only if some were measured."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    measured = any(epoch.causes for epoch in epochs)
    names = [field.name for field in fields(Epoch) if measured or field.name not in CAUSES]
    writer.writerow(names)
    writer.writerows([getattr(epoch, name) for name in names] for epoch in epochs)
    return file.getvalue().encode()


def from_csv(table: bytes) -> list[Epoch]:
    """Return the epochs of a table that `to_csv` wrote."""
    rows = csv.DictReader(io.StringIO(table.decode(), newline=""))
    return [Epoch(int(row.pop("epoch")), **{name: float(value) for name, value in row.items()}) for row in rows]
