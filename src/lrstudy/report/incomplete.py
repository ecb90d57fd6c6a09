"""What a study was to train, by its own settings, and has not: it goes on, or came to no end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

from lrstudy.formatting import join_and, pluralize
from lrstudy.optimizers import DEFAULT_OPTIMIZERS
from lrstudy.report.cells import Group, rate_of, setting, whole
from lrstudy.report.commands import more
from lrstudy.report.runs import Run
from lrstudy.report.warnings import ReportWarning
from lrstudy.server_names import KIND

# An optimizer, and of a grid the learning rate and the shape of the network.
Place = tuple[str, ...]


def incomplete(groups: Sequence[Group], study: Run | None) -> list[ReportWarning]:
    """A warning that a part of the study is missing, if it is."""
    if study is None or study.status == "FINISHED":
        return []
    planned = _planned(study)
    ended = Counter(_place(study, run) for group in groups for run in group.ended)
    left = sum(max(0, trainings - ended[place]) for place, trainings in planned.items())
    if not left:
        return []
    optimizers = list(dict.fromkeys(place[0] for place in planned))
    unknown = [name for name in optimizers if not any(ended[place] for place in planned if place[0] == name)]
    state = "goes on or was killed" if study.status == "RUNNING" else f"came to no end ({study.status.lower()})"
    text = f"The study {state}: {left} of its {pluralize(sum(planned.values()), 'training')} have not finished."
    if unknown:
        text += f" Nothing is known of {join_and(unknown)}."
    return [ReportWarning("incomplete", text, more(study, groups[0], hidden=study.params["hidden"]))]


def _planned(study: Run) -> dict[Place, int]:
    """The number of trainings that a study was to have, by their places; empty if it does not say."""
    params = study.params
    if study.tags.get(KIND) == "search" and {"optimizer", "trials", "hidden"} <= set(params):
        names = DEFAULT_OPTIMIZERS if params["optimizer"] == "all" else (params["optimizer"],)
        return {(name,): whole(params["trials"]) for name in names}
    if study.tags.get(KIND) == "grid" and {"optimizers", "lrs", "hidden", "seeds"} <= set(params):
        axes = product(params["optimizers"].split(","), params["lrs"].split(","), params["hidden"].split(";"))
        seeds = whole(params["seeds"])
        return {(optimizer.strip(), setting(lr), setting(hidden)): seeds for optimizer, lr, hidden in axes}
    return {}


def _place(study: Run, run: Run) -> Place:
    optimizer = run.params.get("optimizer", "")
    if study.tags.get(KIND) == "search":
        return (optimizer,)
    return optimizer, f"{rate_of(run):.12g}", setting(run.params.get("hidden", ""))
