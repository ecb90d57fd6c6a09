"""Groups whose images were read by different versions of the project."""

from collections.abc import Sequence

import numpy as np

from lrstudy.report.cells import Group
from lrstudy.report.grouping import group_runs
from lrstudy.report.runs import Curve, LoadedRuns, Run
from lrstudy.report.warnings import find_warnings_of_all

NAME = "preprocessing of images"


def run(lr: str, digest: str, version: str, data: str = "/x/pets", **params: str) -> Run:
    tags = {"lrstudy.data_digest": digest * 32, **({"lrstudy.preprocessing": version} if version else {})}
    settings = {"optimizer": "adam", "lr": lr, "seed": "0", "data": data, "image_size": "8", **params}
    losses = Curve(np.arange(3), np.array([2.3, 1.0, 0.5]))
    return Run(f"{lr} {digest}", "run", "FINISHED", 0, settings, {}, tags, curves={"val_loss": losses})


def groups(runs: Sequence[Run]) -> list[Group]:
    return group_runs(LoadedRuns("here", "0", None, (), tuple(runs), 0, ()))[0]


def sentence(found: Sequence[Group]) -> str:
    (warning,) = find_warnings_of_all(found, None)
    return warning.text


def test_groups_of_the_same_files_name_the_version_that_read_them() -> None:
    """The earlier version had no setting `layout`."""
    found = groups([run("0.1", "a", ""), run("0.01", "a", ""), run("0.1", "b", "3", layout="auto")])
    assert [group.settings[NAME] for group in found] == ["before version 3", "version 3"]
    assert f"differ in data and {NAME}" in sentence(found)
    assert "may have made other pixels of the same files" in sentence(found)


def test_runs_of_equal_pixels_are_one_group_whatever_version_read_them() -> None:
    (found,) = groups([run("0.1", "a", ""), run("0.01", "a", "3")])
    assert NAME not in found.settings


def test_groups_of_other_data_or_settings_do_not_name_it() -> None:
    others: list[dict[str, str]] = [{"data": "/x/cars"}, {"image_size": "16"}, {"layout": "classes"}]
    for other in (run("0.1", "b", ""), *(run("0.1", "b", "3", **settings) for settings in others)):
        found = groups([run("0.1", "a", ""), run("0.01", "a", ""), other])
        assert len(found) == 2
        assert not any(NAME in group.settings for group in found)
        assert "pixels" not in sentence(found)
