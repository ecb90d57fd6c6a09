"""Replace names that MLflow makes up for runs, such as `painted-crow-311`."""

from __future__ import annotations

import re

from mlflow.entities import Run

from lrstudy.formatting import format_setting, printable
from lrstudy.server_names import ENTRY_POINT
from lrstudy.settings.mlproject import ENTRY_POINTS
from lrstudy.unquoted_parameters import unquoted_parameters

MAX_LENGTH = 100


def is_made_up(run: Run) -> bool:
    """Return whether MLflow, not the user, chose the name of a run."""
    return re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name or "") is not None


def name_of_request(run: Run) -> str:
    """Return the entry point of a run and its parameters that differ from their defaults: `train lr=abc`."""
    entry_point = run.data.tags.get(ENTRY_POINT, "main")
    fields = ENTRY_POINTS[entry_point][1].model_fields if entry_point in ENTRY_POINTS else {}
    defaults = {name: format_setting(field.default) for name, field in fields.items() if not field.is_required()}
    params = unquoted_parameters(run.data.params, run.data.tags)
    changed = [f"{name}={value}" for name, value in params.items() if not _is_equal(value, defaults.get(name))]
    words = ["train" if entry_point == "main" else entry_point, *changed]
    return printable(" ".join(words))[:MAX_LENGTH]


def _is_equal(typed: str, default: str | None) -> bool:
    try:
        return default is not None and (typed == default or float(typed) == float(default))
    except ValueError:
        return False
