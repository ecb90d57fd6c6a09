"""The images of a prediction: files by their contents or paths, or arrays, in any container that MLflow takes."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from lrstudy.compat.mlflow_serving import is_serving
from lrstudy.data.image_format import CHANNELS, ImageFormat
from lrstudy.data.image_preprocessing import BrokenImageError

COLUMN = "image"
# A text of base64, but not the beginning of a PNM file, some of which are texts.
BASE64 = re.compile(rb"(?!P[1-7]\s)(?:data:[\w/+.-]+;base64,)?[A-Za-z0-9+/\s]+=*\s*", re.S)


class ImageInputError(MlflowException):
    """An input cannot be used; the text is one sentence.

    MLflow's scoring server puts the whole request before an error's text, megabytes of an image; `message` keeps the
    sentence alone.
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        super().__init__(sentence, INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """The sentence."""
        return self._sentence

    @message.setter
    def message(self, _: str) -> None:
        """Keep the sentence."""


def to_frame(data: Any) -> pd.DataFrame:
    """Return the images of an input as a DataFrame with the column `image`, a row per image.

    Args:
        data: a DataFrame, dictionary or Series with the column; a list; a single image; or an array of one image,
            `(height, width)` or `(height, width, channels)`, or several, `(n, height, width)` or
            `(n, height, width, channels)`.

    Raises:
        ImageInputError: it has no such column.
    """
    index = data.index if isinstance(data, pd.DataFrame | pd.Series) else None
    rows = _rows(_column(data) if isinstance(data, pd.DataFrame | Mapping) else data)
    column = np.empty(len(rows), object)
    for number, row in enumerate(rows):
        column[number] = row
    return pd.DataFrame({COLUMN: column}, index)


def read_row(number: int, value: Any, image_format: ImageFormat) -> np.ndarray:
    """Return the image of a row, uint8 `(side, side, channels)`.

    Args:
        number: of the row, from 0 on.
        value: the content of an image file, as it is or in base64; the path of one; or an array.
        image_format: of the returned image.

    Raises:
        ImageInputError: it cannot be read; the sentence names the row.
    """
    try:
        return _read(value, image_format)
    except BrokenImageError as error:
        raise ImageInputError(f"row {number} cannot be classified: {error}.") from error


def _column(data: pd.DataFrame | Mapping[Any, Any]) -> Any:
    names = list(data.keys())
    if COLUMN in names:
        return data[COLUMN]
    if len(names) == 1:
        return data[names[0]]
    found = ", ".join(str(name)[:40] for name in names[:4]) or "none"
    raise ImageInputError(f"the input must have the column {COLUMN!r}, one image per row; its columns are: {found}.")


def _rows(data: Any) -> Sequence[Any]:
    if isinstance(data, np.ndarray):
        return _rows_of_array(data)
    if isinstance(data, pd.Series):
        return list(data)
    return list(data) if isinstance(data, list | tuple) else [data]


def _rows_of_array(data: np.ndarray) -> Sequence[Any]:
    if data.dtype.kind == "S":
        # An array of bytes drops the zeros at their ends, which some image files have; further ones harm none.
        return [bytes(row).ljust(data.itemsize, b"\0") for row in data.ravel().tolist()]
    if data.dtype.kind in "OU":
        return data.ravel().tolist() if data.dtype.kind == "U" else list(data.ravel())
    is_one = data.ndim <= 2 or (data.ndim == 3 and data.shape[2] in CHANNELS)
    return [data] if is_one else list(data)


def _read(value: Any, image_format: ImageFormat) -> np.ndarray:
    if isinstance(value, str) and is_serving():  # no client of a server has it read files
        value = value.encode()
    if isinstance(value, str | os.PathLike):
        return image_format.read_file(str(Path(value).expanduser()))
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
        return image_format.read_bytes(_from_base64(content) or content)
    if isinstance(value, list):
        value = np.array(value)
        if value.ndim != 3:
            shape = "×".join(map(str, value.shape))
            raise BrokenImageError(f"a list of the shape {shape} is not an image; it must be (height, width, channels)")
    if isinstance(value, np.ndarray):
        return image_format.read_array(value)
    raise BrokenImageError(
        f"{type(value).__name__} is not an image; it must be the content or the path of an image file, or an array"
    )


def _from_base64(content: bytes) -> bytes | None:
    """Return the content of a text in base64; None if it is not base64."""
    text = content.rstrip(b"\0")
    if not BASE64.fullmatch(text):
        return None
    try:
        return base64.b64decode(b"".join(text.rpartition(b",")[2].split()), validate=True)
    except binascii.Error:
        return None
