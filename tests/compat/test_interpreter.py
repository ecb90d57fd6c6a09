"""The garbage collector while an entry point imports."""

import gc
import subprocess
import sys

import pytest

from conftest import ROOT
from lrstudy.compat.interpreter import gc_paused


def test_the_collector_is_off_within_and_on_afterwards_also_after_an_error() -> None:
    def fail() -> None:
        assert not gc.isenabled()
        raise ImportError("no such module")

    with pytest.raises(ImportError, match="no such module"), gc_paused():
        fail()
    assert gc.isenabled()


def test_objects_created_while_it_was_paused_are_not_scanned_again() -> None:
    program = """
import gc
from lrstudy.compat.interpreter import gc_paused
with gc_paused():
    import decimal
    before = len(gc.get_objects())
assert gc.get_freeze_count() > before / 2
assert len(gc.get_objects()) < before / 10
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT / "src", check=True)


def test_bindings_that_were_imported_while_it_was_paused_are_not_reported_as_leaks_at_the_end() -> None:
    program = """
from lrstudy.compat.interpreter import gc_paused
with gc_paused():
    import torchvision
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "src", capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
