"""Optuna's own plots of a search, drawn from its study file."""

from __future__ import annotations

# isort: off
from lrstudy.compat import matplotlib_warnings  # noqa: F401 - before matplotlib

# isort: on
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from matplotlib import pyplot
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from optuna.visualization import matplotlib as plots

from lrstudy.compat.optuna_internals import silence_optuna


def draw(path: Path) -> dict[str, bytes]:
    """Return PNG files by their paths: the history of the best loss, and per study the loss over the learning rate.

    If trials were pruned, also their losses by epoch.
    """
    silence_optuna(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(path)))
    studies = [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that these plots are experimental, and about their labels
        return {f"optuna/{name}.png": _png(axes) for name, axes in _plots(studies)}


def _plots(studies: list[optuna.Study]) -> Iterator[tuple[str, Any]]:
    ended = [study for study in studies if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
    if not ended:
        return
    yield "optimization_history", plots.plot_optimization_history(ended)
    yield "edf", plots.plot_edf(ended)
    for study in ended:
        name = study.study_name.replace(" ", "_")
        yield f"slice_{name}", plots.plot_slice(study)
        if any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
            yield f"intermediate_values_{name}", plots.plot_intermediate_values(study)


def _png(axes: Any) -> bytes:
    figure = axes.figure
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
    pyplot.close(figure)
    return file.getvalue()
