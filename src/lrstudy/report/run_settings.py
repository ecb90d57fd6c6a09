"""Parameters of runs as comparable settings, however they were typed."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lrstudy.formatting import format_setting, join_or, truncate
from lrstudy.networks import BUILTIN_NETWORKS
from lrstudy.optimizers import SWITCHES
from lrstudy.report.runs import Run
from lrstudy.server_names import DATA_DIGEST, KIND, TRAINING
from lrstudy.settings import DATA_SETTINGS, OptimizerChoice, RecipeSettings

# Settings of an optimizer: trainings that differ in these are other cells of one group.
OF_OPTIMIZER = ("momentum", "weight_decay")
OPTIMIZER_ARGS = "optimizer_args"
# The axes of a grid: trainings that differ in these alone are compared.
AXES = {"optimizer", "lr", "log10_lr", "seed", OPTIMIZER_ARGS}
# Settings that change where and how fast a training runs, and what is measured and kept of it, but not its result.
MACHINE = {"device", "threads", "data_root", "diagnose", "keep", "register"}
# The parameter of a training that was not continued from another, which runs of older versions lack.
NOT_CONTINUED = ("continue_from", "none")
DATA = "data"
# Settings that the digest of the scaled and split images covers.
IN_DIGEST = set(DATA_SETTINGS) - MACHINE
PREFIX = "optimizer."
# From this number of runs on, a parameter that differs in every run can be the run's name…
MIN_NAMED = 4
# … if one of these words is in the parameter's name…
NAMING = {"run", "trial", "out", "output", "outputs", "log", "logs", "logging", "logdir", "save", "checkpoint", "ckpt"}


def unquote(text: str) -> str:
    """Return a parameter without blanks and quotes around it, as other programs may log them."""
    return text.strip("'\" ")


def number(text: str) -> float:
    """Return a parameter as a number, however it was typed (`1e-3`, `.001`, `'0.001'`); NaN if it is not a number."""
    try:
        return float(unquote(text))
    except ValueError:
        return math.nan


def whole_number(text: str) -> int:
    """Return a parameter as an integer; 0 if it is not a finite number."""
    value = number(text)
    return int(value) if math.isfinite(value) else 0


def learning_rate(run: Run) -> float:
    """Return a run's learning rate; NaN if it has none that is a number."""
    return number(run.params.get("lr", ""))


def normalize(text: str) -> str:
    """Return a setting so that equal settings are equal texts: numbers as numbers, lists without blanks."""
    parts = [unquote(part) for part in text.split(",")]
    return ",".join(part if math.isnan(number(part)) else f"{number(part):.12g}" for part in parts)


def optimizer_name(text: str) -> str:
    """Return an optimizer's name, however it was typed: `Adam`, `'adam'`, `torch.optim.adam.Adam`.

    A class of the user or of another package, `path/to/file.py:Class`, stays as it was typed.
    """
    name = unquote(text)
    if ":" in name:
        return name
    name = name.lower()
    return name.rpartition(".")[2] if re.fullmatch(r"([a-z_]\w*\.)+[a-z_]\w*", name) else name


def optimizer_label(run: Run) -> str:
    """Return a run's optimizer, with those settings that are not at their defaults if it is a training of this project.

    A study prints its trainings with the same labels.
    """
    name = optimizer_name(run.params["optimizer"])
    if run.tags.get(KIND) != TRAINING or ":" in name or not _optimizer_settings(run):
        return name
    momentum, weight_decay = (number(run.params[setting]) for setting in OF_OPTIMIZER)
    arguments = unquote(run.params.get(OPTIMIZER_ARGS, "none"))
    return OptimizerChoice(name, momentum, "auto" if math.isnan(weight_decay) else weight_decay, arguments).label


def hyperparameters(run: Run) -> dict[str, str]:
    """Return the optimizer's settings besides the learning rate that change its numbers, by name in order."""
    values = {name.removeprefix(PREFIX): value for name, value in run.params.items() if name.startswith(PREFIX)}
    for name in _optimizer_settings(run):
        values.setdefault(name, run.params[name])
    for argument in run.params.get(OPTIMIZER_ARGS, "").split(";"):
        name, equals, value = argument.partition("=")
        if equals:
            values.setdefault(name.strip(), value)
    return {name: normalize(values[name]) for name in sorted(values) if name not in SWITCHES}


def _optimizer_settings(run: Run) -> set[str]:
    """Return the settings of a run's optimizer; none for programs that do not log all of them."""
    return set(OF_OPTIMIZER) if set(OF_OPTIMIZER) <= set(run.params) else set()


def comparable_settings(run: Run, usual_length: int) -> dict[str, str]:
    """Return the settings that must be equal for two runs to be compared.

    Args:
        run: the run.
        usual_length: the last step of a run that diverged, where the number of epochs was not logged.
    """
    digest = run.tags.get(DATA_DIGEST)
    left_out = AXES | MACHINE | _optimizer_settings(run) | (IN_DIGEST if digest else set())
    settings = {
        name: normalize(value)
        for name, value in run.params.items()
        if name not in left_out
        and not name.startswith(PREFIX)
        and not _is_plain_recipe(name, value)
        and (name, value) != NOT_CONTINUED
    }
    if "epochs" not in settings and "val_loss" in run.curves:
        settings["last step"] = str(_last_step(run, usual_length))
    if digest:
        return settings | {DATA: digest}
    return settings | ({"data sets": run.data} if run.data else {})


def recipe_settings(run: Run) -> dict[str, str]:
    """Return the settings of a run's recipe that are not at their defaults."""
    names = (name for name in RecipeSettings.model_fields if name in run.params)
    return {name: run.params[name] for name in names if not _is_plain_recipe(name, run.params[name])}


def _is_plain_recipe(name: str, value: str) -> bool:
    """Return whether a parameter is a setting of the recipe at its default, which runs of older versions lack."""
    field = RecipeSettings.model_fields.get(name)
    return field is not None and normalize(value) == normalize(format_setting(field.default))


def _last_step(run: Run, usual_length: int) -> int:
    curve = run.curves["val_loss"]
    complete = np.isfinite(curve.values[-1]) and run.status == "FINISHED"
    return int(curve.steps[-1]) if complete else usual_length


def data_names(runs: Iterable[Run]) -> dict[str, str]:
    """Return each data set's name by its digest: the last parts of the paths that it was read from, and the digest.

    The rest of a path, and the name of a copy, may differ between machines.
    """
    names: dict[str, dict[str, None]] = {}
    for run in runs:
        if digest := run.tags.get(DATA_DIGEST):
            name = run.params.get(DATA, DATA).rstrip("/").rpartition("/")[2] or "/"
            names.setdefault(digest, {})[name] = None
    return {digest: f"{join_or([*of_digest])} ({digest[:8]})" for digest, of_digest in names.items()}


def describe_subject(settings: Mapping[str, str]) -> str:
    """Return the data, the network and the length of trainings in few words: `digits · mlp 256,128,64 · 50 epochs`."""
    data = truncate(re.sub(r" \([0-9a-f]{8}\)$", "", settings.get(DATA, "")))
    model = truncate(settings.get("model", "").rpartition("/")[2])
    network = f"{model} {settings.get('hidden', '')}" if model in BUILTIN_NETWORKS else model
    epochs = settings.get("epochs", "")
    return " · ".join(filter(None, (data, network.strip(), f"{epochs} epochs" if epochs else "")))


def usual_length(runs: Sequence[Run]) -> int:
    """Return the most common last step: the planned length of a run that diverged is unknown."""
    lengths = Counter(int(run.curves["val_loss"].steps[-1]) for run in runs if "val_loss" in run.curves)
    return lengths.most_common(1)[0][0] if lengths else 0


def naming_parameters(runs: Sequence[Run]) -> set[str]:
    """Return the parameters that name a run, such as its output folder: all runs have them, and no two alike.

    Other parameters that differ in every run, such as the number of epochs, are settings.
    """
    if len(runs) < MIN_NAMED:
        return set()
    shared = set.intersection(*(set(run.params) for run in runs)) - AXES
    distinct = {name for name in shared if len({normalize(run.params[name]) for run in runs}) == len(runs)}
    return {
        name for name in distinct if _is_naming_word(name) or all(_names_run(run, run.params[name]) for run in runs)
    }


def _is_naming_word(parameter: str) -> bool:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter).lower()
    return not NAMING.isdisjoint(re.split(r"[^a-z]+", words))


def _names_run(run: Run, value: str) -> bool:
    # … or the run's own id or name in its value.
    return run.run_id in value or value == run.name
