"""The place of a folder of images: relative to where the user typed its name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from lrstudy import user_files
from lrstudy.cli.command_line import parse
from lrstudy.data import check_name, locate
from lrstudy.errors import DataError
from lrstudy.settings import GridSettings
from lrstudy.study import commands
from lrstudy.study.optuna_study import study_file

# As `mlflow run` starts a project: in its folder, by a shell, with these variables.
MLFLOW = """
import os, subprocess, sys
set_by_mlflow = {"MLFLOW_RUN_ID": "1", "MLFLOW_EXPERIMENT_ID": "0", "MLFLOW_TRACKING_URI": "sqlite://"}
command = f"{sys.executable} -c 'import sys; from {sys.argv[3]} as find; print(find(sys.argv[1]))' {sys.argv[2]}"
subprocess.run(["bash", "-c", f"true && {command}"], cwd=sys.argv[1], env={**os.environ, **set_by_mlflow}, check=True)
"""


def located_under_mlflow(typed_in: Path, project: Path, data: str, find: str = "lrstudy.data import locate") -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", MLFLOW, str(project), data, find]
    return subprocess.run(
        command, cwd=typed_in, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_relative_path_is_relative_to_where_mlflow_run_was_typed(tmp_path: Path) -> None:
    for folder in ("home/photos", "project/photos", "project/samples"):
        (tmp_path / folder).mkdir(parents=True)
    home, project = tmp_path / "home", tmp_path / "project"
    assert located_under_mlflow(home, project, "photos") == str(home / "photos")
    assert located_under_mlflow(home, project, "samples") == "samples"


def test_a_file_of_the_users_code_is_relative_to_where_mlflow_run_was_typed(tmp_path: Path) -> None:
    for file in ("home/net.py", "project/net.py", "project/other.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    home, project, find = tmp_path / "home", tmp_path / "project", "lrstudy.user_files import user_path"
    assert located_under_mlflow(home, project, "net.py", find) == str(home / "net.py")
    assert located_under_mlflow(home, project, "other.py", find) == "other.py"


def test_what_is_written_is_relative_to_where_mlflow_run_was_typed(tmp_path: Path) -> None:
    for folder in ("home", "project/kept"):
        (tmp_path / folder).mkdir(parents=True)
    home, project, find = tmp_path / "home", tmp_path / "project", "lrstudy.user_files import written_path"
    assert located_under_mlflow(home, project, "kept", find) == str(home / "kept")
    assert located_under_mlflow(home, project, str(tmp_path), find) == str(tmp_path)


def test_checkpoints_a_study_file_and_data_sets_are_kept_where_mlflow_run_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_files, "launch_folder", lambda: tmp_path)
    monkeypatch.setenv("LRSTUDY_CHECKPOINTS", "set by the command")  # and removed after the test
    settings = parse(GridSettings, ["--checkpoints", "kept", "--data_root", "sets"])
    assert commands._use_checkpoints(settings) == tmp_path / "kept"
    assert commands._with_place(settings).data_root == str(tmp_path / "sets")
    with study_file("study.log", "it") as file:
        assert file.path == tmp_path / "study.log"


def test_a_path_elsewhere_is_kept_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for data in ("photos", str(tmp_path), "digits", "nowhere", "~no-such-user/x"):
        assert locate(data) == data


def test_an_unknown_folder_is_reported_with_the_place_and_a_similar_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError) as rejected:
        check_name("fotos")
    assert str(rejected.value) == (
        f"data='fotos' is neither a known data set nor a folder: there is no '{tmp_path}/fotos'; did you mean 'photos'?"
    )
