"""Convert MLflow's runs to the report's: shares instead of percentages, epochs instead of batches."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from mlflow.entities import Run as MlflowRun

from lrstudy.report.histories import restore_infinity
from lrstudy.report.run_settings import whole_number
from lrstudy.report.runs import Curve, Run
from lrstudy.server_names import DATA_CONTEXT, KIND
from lrstudy.unquoted_parameters import unquoted_parameters

# Accuracies above this are percentages; a share can exceed 1 by rounding alone.
MAX_SHARE = 1.5


def convert_run(run: MlflowRun, curves: Mapping[str, Curve], experiment: str) -> Run:
    """Return a run of MLflow's with `curves`, in the experiment of this name, as the report's record."""
    info, data = run.info, run.data
    metrics = {name: restore_infinity(value) for name, value in data.metrics.items()}
    if has_percentages(run):
        metrics = {name: value / 100 if name.endswith("accuracy") else value for name, value in metrics.items()}
        curves = {
            name: Curve(curve.steps, curve.values / 100) if name.endswith("accuracy") else curve
            for name, curve in curves.items()
        }
    if is_logged_by_batch(run, curves):
        curves = _by_epoch(curves, _epochs(run))
    return Run(
        info.run_id,
        info.run_name or info.run_id,
        info.status,
        info.start_time,
        unquoted_parameters(data.params, data.tags),
        metrics,
        data.tags,
        _data_sets(run),
        _images(run),
        curves,
        info.artifact_uri,
        experiment,
    )


def has_percentages(run: MlflowRun) -> bool:
    """Return True if a run's accuracies are percentages instead of shares."""
    return any(
        MAX_SHARE < value < math.inf
        for name, value in run.data.metrics.items()
        if name.endswith(("_accuracy", "/accuracy"))
    )


def is_logged_by_batch(run: MlflowRun, curves: Mapping[str, Curve]) -> bool:
    """Return True if another program's steps are batches: they exceed the number of epochs that it declares."""
    last = max((int(curve.steps[-1]) for curve in curves.values()), default=0)
    return KIND not in run.data.tags and 0 < _epochs(run) < last


def _epochs(run: MlflowRun) -> int:
    """Return the number of epochs that a run declares, 0 if it declares none."""
    return whole_number(run.data.params.get("epochs", ""))


def _by_epoch(curves: Mapping[str, Curve], epochs: int) -> dict[str, Curve]:
    """Return curves over epochs instead of batches; the last batch is the end of the last epoch.

    Steps that are counted from 0 end one before a multiple of the epochs.
    """
    last = max(int(curve.steps[-1]) for curve in curves.values())
    first = int(last % epochs != 0 and (last + 1) % epochs == 0)
    return {
        name: Curve((curve.steps + first) * epochs / (last + first), curve.values) for name, curve in curves.items()
    }


def _data_sets(run: MlflowRun) -> str:
    inputs = run.inputs.dataset_inputs if run.inputs else ()
    return ", ".join(sorted({f"{used.dataset.name} ({(used.dataset.digest or '')[:8]})" for used in inputs}))


def _images(run: MlflowRun) -> dict[str, int]:
    """Return the number of images of each data split, from the shapes in the schemas of the run's inputs."""
    images = {}
    for used in run.inputs.dataset_inputs if run.inputs else ():
        context = next((tag.value for tag in used.tags if tag.key == DATA_CONTEXT), "")
        try:
            (column,) = json.loads(used.dataset.schema or "")["mlflow_colspec"]
            images[context] = int(column["tensor-spec"]["shape"][0])
        except (TypeError, ValueError, KeyError, IndexError):  # another program's data set
            continue
    return images
