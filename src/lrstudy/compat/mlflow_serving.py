"""Private parts of MLflow's loading and serving of models. A copy of this module is in every logged model."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from mlflow.pyfunc import PyFuncModel

_SERVING = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"


def is_serving() -> bool:
    """Return whether this process is MLflow's scoring server.

    Reason: a client's text must not name a file for the server to read; MLflow has no public function that says so.
    Seen to work with MLflow 3.17.2. Without it, a text of a client is taken for a path.
    """
    return os.environ.get(_SERVING, "").lower() in ("true", "1")


def convert_inputs(kind: type, convert: Callable[[Any], Any]) -> None:
    """Let loaded models of a class convert their input before MLflow compares it with the signature.

    Reason: MLflow makes a DataFrame of an array before it compares it with the signature's column; that fails for an
    image, and the error prints its pixels. Seen to work with MLflow 3.17.2. Without it, arrays and lists of images must
    be the column of a DataFrame or of a dictionary.
    """
    predict = PyFuncModel.predict

    @wraps(predict)
    def converting(self: PyFuncModel, data: Any, params: dict[str, Any] | None = None) -> Any:
        is_ours = isinstance(getattr(self._model_impl, "python_model", None), kind)
        return predict(self, convert(data) if is_ours else data, params)

    PyFuncModel.predict = converting  # type: ignore[method-assign]
