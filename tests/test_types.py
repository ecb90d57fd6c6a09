"""The types of all files, checked beside the other tests: alone, mypy would leave the other processors idle."""

import subprocess
import sys

import pytest

from conftest import ROOT


@pytest.mark.slow
@pytest.mark.first
@pytest.mark.timeout(600)
def test_mypy_finds_no_error() -> None:
    outcome = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
