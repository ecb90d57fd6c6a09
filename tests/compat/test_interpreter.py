"""The garbage collector while an entry point imports."""

import gc
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("command", ["src/predict.py --model=m-1 --images=.", "analysis/report.py"])
def test_a_command_imports_without_full_collections(command: str, tmp_path: Path) -> None:
    program = """
import gc, runpy, sys
full = 0
def count(phase, info):
    global full
    full += phase == "start" and info["generation"] == 2
gc.callbacks.append(count)
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(full)
"""
    script, *arguments = command.split()
    code = f"import sys; del sys.argv[0]\n{program}"
    ended = subprocess.run(
        [sys.executable, "-c", code, f"{ROOT / script}", *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert "no tracking database" in ended.stderr or "does not exist" in ended.stderr
    assert int(ended.stdout) <= 1
