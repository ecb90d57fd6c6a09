"""Expensive things that the processes of a pytest run make once and share.

The first process that needs one makes it; the other waits for it. All end with the pytest run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

FOLDER = "LRSTUDY_TESTS_SHARED_FOLDER"
ALIVE = "alive"
SECONDS_TO_START = 280


@contextmanager
def shared_folder() -> Iterator[None]:
    """Provide the folder, in the first process of a pytest run. Held open, its named pipe says that the run lives."""
    folder = tempfile.mkdtemp(prefix="lrstudy-tests-")
    os.mkfifo(Path(folder, ALIVE))
    alive = os.open(Path(folder, ALIVE), os.O_RDWR)
    os.environ[FOLDER] = folder
    try:
        yield
    finally:
        os.close(alive)
        shutil.rmtree(folder, ignore_errors=True)


def folder() -> Path:
    """Return the folder that the processes share."""
    return Path(os.environ[FOLDER])


def once(name: str, make: Callable[[], str]) -> str:
    """Return what `make` returned in the process that asked first."""
    made = folder() / name
    with FileLock(f"{made}.lock"):
        if not made.exists():
            made.write_text(make())
        return made.read_text()


def command_server() -> str:
    """Return the address of the server that forks commands."""
    return once("command-server", _start_command_server)


def preloaded_python() -> str:
    """Return a folder with a `python` that has a command run by the command server."""
    return once("preloaded-python", _write_preloaded_python)


def _write_preloaded_python() -> str:
    program = folder() / "bin" / "python"
    program.parent.mkdir()
    command_server()
    client = Path(__file__).with_name("preloaded_python.py").read_text()
    program.write_text(f"#!{sys.executable} -SE\n{client}")
    program.chmod(0o755)
    return str(program.parent)


def _start_command_server() -> str:
    address = folder() / "commands"
    program = Path(__file__).with_name("command_server.py")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment["XDG_CACHE_HOME"] = str(folder() / "cache")
    with (folder() / "command-server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(program), str(address), str(folder() / ALIVE)],
            cwd=folder(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + SECONDS_TO_START
    while not address.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((folder() / "command-server.log").read_text())
        time.sleep(0.05)
    process.returncode = 0  # it ends after this process, with the pytest run: nobody waits for it
    return str(address)
