"""Whose a run is: told from real processes, living and dead."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from lrstudy.tracking import owner
from lrstudy.tracking.owner import Owner

NAMES_ITSELF = "from lrstudy.tracking.owner import this_process; print(this_process(), flush=True); input()"


def other_process() -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", NAMES_ITSELF], cwd=ROOT / "src", stdin=pipe, stdout=pipe, text=True)


def test_a_process_lives_until_it_has_ended() -> None:
    with other_process() as process:
        assert process.stdout is not None
        name = process.stdout.readline()
        assert owner.find(name) is Owner.LIVES
        process.kill()
    assert owner.find(name) is Owner.GONE


def changed(**values: Any) -> str:
    return json.dumps(json.loads(owner.this_process()) | values)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (changed(), Owner.LIVES),
        (changed(started=1.0), Owner.GONE),  # another process that had the same number
        pytest.param(
            changed(boot="an earlier start"),
            Owner.GONE,
            marks=pytest.mark.skipif(not Path("/etc/machine-id").exists(), reason="this machine has no number"),
        ),
        (changed(node="another"), Owner.UNKNOWN),
        (changed(machine="one with the same name"), Owner.UNKNOWN),
        (changed(pids="another container's"), Owner.UNKNOWN),
        (None, Owner.UNKNOWN),
        ("", Owner.UNKNOWN),
        ("[1]", Owner.UNKNOWN),
        ("{}", Owner.UNKNOWN),
        (changed(pid="one"), Owner.UNKNOWN),
    ],
)
def test_only_of_this_machine_is_it_said_that_a_process_is_gone(name: str | None, found: Owner) -> None:
    assert owner.find(name) is found
