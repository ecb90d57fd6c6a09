"""The changes on the page about extending the code: each applies to this tree, and the test in it passes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

PAGE = (ROOT / "docs" / "how-to" / "extend.md").read_text(encoding="utf-8")
CHANGES = {
    section.partition("\n")[0]: match[1]
    for section in PAGE.split("\n## ")[1:]
    if (match := re.search(r"^```diff\n(.*?)^```$", section, re.M | re.S))
}
KINDS = ("optimizer of PyTorch", "optimizer of your own", "network", "data set", "metric", "executor", "section")
MAX_FILES = 3


def test_the_page_shows_a_change_of_each_kind() -> None:
    for kind in KINDS:
        assert any(kind in heading for heading in CHANGES), kind


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, without what git ignores."""
    copy = tmp_path / "project"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("src", "tests", "analysis", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in ("pyproject.toml", "MLproject", "conda.yaml"):
        shutil.copy(ROOT / name, copy)
    return copy


def apply(change: str, project: Path) -> None:
    outcome = subprocess.run(["git", "apply", "-"], input=change, cwd=project, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr


def changed_files(change: str) -> list[str]:
    return re.findall(r"^\+\+\+ b/(.*)$", change, re.M)


@pytest.mark.parametrize("heading", CHANGES)
def test_a_change_takes_three_files_at_most_one_of_them_a_test(heading: str) -> None:
    files = changed_files(CHANGES[heading])
    assert len(files) <= MAX_FILES
    assert sum(name.startswith("tests/") for name in files) == 1


@pytest.mark.parametrize("heading", CHANGES)
def test_a_change_applies_alone(heading: str, project: Path) -> None:
    apply(CHANGES[heading], project)


@pytest.mark.slow
@pytest.mark.first
@pytest.mark.timeout(600)  # it imports PyTorch and MLflow anew, and trains
def test_the_tests_of_all_changes_pass(project: Path) -> None:
    for change in CHANGES.values():
        apply(change, project)
    tests = [name for change in CHANGES.values() for name in changed_files(change) if name.startswith("tests/")]
    own_folder = f"--basetemp={project.parent / 'temporary'}"  # other runs of pytest clean up the usual one
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", own_folder, *tests]
    outcome = subprocess.run(command, cwd=project, env=os.environ, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout
    assert re.search(rf"^{len(tests)} passed", outcome.stdout, re.M), outcome.stdout
