"""Groups of runs whose images may differ only because different versions of this project read the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lrstudy.formatting import format_setting
from lrstudy.report.cells import Group
from lrstudy.report.run_settings import DATA, IN_DIGEST, normalize
from lrstudy.server_names import PREPROCESSING
from lrstudy.settings import TrainSettings

# The setting that such groups get.
SETTING = "preprocessing of images"
EARLIER = "before version 3"


def name_preprocessing(groups: Sequence[Group]) -> list[Group]:
    """Add the version of the preprocessing to the settings of groups that differ in it and otherwise in the data alone.

    Runs with the same digest of the data are in one group already, whichever versions read the files.
    """
    return [
        replace(group, settings={**group.settings, SETTING: _version(group)})
        if any(_same_files(group, other) and _versions(group).isdisjoint(_versions(other)) for other in groups)
        else group
        for group in groups
    ]


def _versions(group: Group) -> set[str]:
    return {run.tags.get(PREPROCESSING, "") for run in group.runs}


def _version(group: Group) -> str:
    return ", ".join(f"version {version}" if version else EARLIER for version in sorted(_versions(group)))


def _same_files(group: Group, other: Group) -> bool:
    """Return whether two groups have different digests of, as far as their settings say, the same files."""
    return group.settings.get(DATA) != other.settings.get(DATA) and _source(group) == _source(other)


def _source(group: Group) -> dict[str, str]:
    """Return a group's settings and those that chose its files; settings that were added later have their defaults."""
    settings = {name: value for name, value in group.settings.items() if name != DATA}
    params = group.runs[0].params
    defaults = {name: format_setting(TrainSettings.model_fields[name].default) for name in IN_DIGEST}
    return settings | {name: normalize(params.get(name, default)) for name, default in defaults.items()}
