"""A page of thumbnails with their predicted classes: the images as the network gets them."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote as quote_url

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from lrstudy.formatting import printable
from lrstudy.prediction.classify import Predictions
from lrstudy.prediction.decode_files import DecodedFiles
from lrstudy.prediction.image_files import ImageFiles

# A browser shows this many without delay.
MAX_TILES = 5000
QUALITY = 85
TEMPLATE = "tiles.html.j2"


@dataclass(frozen=True)
class Tile:
    """A thumbnail, as the address of its content, and its file; `true` is the true class if the prediction differs."""

    picture: str
    file: str
    link: str
    probability: float
    true: str


class Thumbnails:
    """The thumbnails of the first files that are decoded, by the files' numbers."""

    def __init__(self) -> None:
        self.pictures: dict[int, str] = {}

    def add(self, decoded: DecodedFiles) -> None:
        """Add the thumbnails of some files."""
        room = MAX_TILES - len(self.pictures)
        for row, pixels in zip(decoded.rows[:room].tolist(), decoded.pixels, strict=False):
            self.pictures[row] = _data_url(pixels)


def render_tiles(
    files: ImageFiles, predictions: Predictions, classes: Sequence[str], thumbnails: Thumbnails, page: Path
) -> str:
    """Return the page: the images by predicted class, of each class the wrong and then the least sure ones first."""
    groups = [
        (name, list(_tiles(number, files, predictions, classes, thumbnails, page)))
        for number, name in enumerate(classes)
    ]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    left_out = len(files.paths) - len(predictions.broken) - len(thumbnails.pictures)
    broken = [(printable(files.paths[row]), reason) for row, reason in predictions.broken.items()]
    return environment.get_template(TEMPLATE).render(
        groups=[(name, tiles) for name, tiles in groups if tiles], left_out=left_out, broken=broken
    )


def _tiles(
    number: int,
    files: ImageFiles,
    predictions: Predictions,
    classes: Sequence[str],
    thumbnails: Thumbnails,
    page: Path,
) -> Iterator[Tile]:
    rows = [row for row in np.flatnonzero(predictions.classes == number).tolist() if row in thumbnails.pictures]
    true = {row: files.labels[row] if files.labels else number for row in rows}
    for row in sorted(rows, key=lambda row: (true[row] == number, predictions.probabilities[row, number], row)):
        path = os.path.relpath(files.folder.absolute() / files.paths[row], page.absolute().parent)
        yield Tile(
            thumbnails.pictures[row],
            printable(files.paths[row]),
            quote_url(os.fsencode(path)),
            float(predictions.probabilities[row, number]),
            "" if true[row] == number else classes[true[row]],
        )


def _data_url(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
