"""Modules of the current folder that are called like Python's: no process of the project executes them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

# As the scripts in `src` do, with the processes of trainings and of decoding.
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from lrstudy.cli.entry_point import run_main

def main(arguments):
    import multiprocessing, random
    from lrstudy.study.fork_server import preload
    from lrstudy.crash_safe_pool import CrashSafePool
    preload("lrstudy.errors")
    for method in ("forkserver", "spawn"):
        with CrashSafePool(1, multiprocessing.get_context(method)) as pool:
            print(pool.submit(eval, "__import__('random').__name__").result())

if __name__ == "__main__":
    run_main(main)
"""
SHADOWED = ("random", "json", "torch", "numpy", "signal", "socket", "pickle", "multiprocessing", "re", "pathlib")


@pytest.mark.parametrize("path", [None, ":", "/nowhere:./"])
def test_modules_of_the_current_folder_are_not_executed(path: str | None, tmp_path: Path) -> None:
    for name in SHADOWED:
        (tmp_path / f"{name}.py").write_text(f"open('executed', 'a').write({name!r})")
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | ({} if path is None else {"PYTHONPATH": path})
    command = [sys.executable, str(script), str(ROOT / "src")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "random\nrandom\n"), ended.stderr
    assert not (tmp_path / "executed").exists()


def first_imports(path: Path) -> list[str]:
    """Return the modules that a script imports first, up to the first one of this project."""
    nodes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name for node in nodes]
    return names[: next(number for number, name in enumerate(names) if name.startswith("lrstudy")) + 1]


@pytest.mark.parametrize("script", sorted([*(ROOT / "src").glob("*.py"), *(ROOT / "analysis").glob("*.py")]))
def test_scripts_exclude_the_current_folder_before_they_import(script: Path) -> None:
    assert set(first_imports(script)) <= {"sys", "lrstudy.cli.entry_point"}
    assert first_imports(ROOT / "src/lrstudy/cli/entry_point.py") == ["lrstudy.compat"]
    modules = {"os", "sys"}  # which Python itself has imported before any script
    tree = ast.parse((ROOT / "src/lrstudy/compat/import_path.py").read_text())
    assert {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names} == modules


def test_a_folder_that_is_named_on_purpose_stays(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text("")
    code = "import lrstudy.compat.import_path, plugin"
    for path, status in ((tmp_path, 0), ("", 1)):
        places = os.pathsep.join([str(ROOT / "src"), str(path)])
        command = [sys.executable, "-P", "-c", code]
        ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": places}, capture_output=True)
        assert ended.returncode == status
