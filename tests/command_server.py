"""A process that has imported everything, and forks the tests' commands: a fork saves each command its imports.

`python command_server.py SOCKET ALIVE` listens at SOCKET and ends when nobody holds the named pipe ALIVE open for
writing. A request is one connection: it names the arguments of Python, the working directory, and the environment,
and carries the three standard streams. The answer is the process's id and, when it has ended, its wait status.
"""

import atexit
import gc
import importlib
import json
import multiprocessing
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

SOURCE = Path(__file__).parents[1] / "src"
# The exit of `run_main` must be registered before all others, and the product's preloaded modules know how to import
# scikit-learn without pandas: hence the order.
FIRST = ("lrstudy.cli.entry_point", "lrstudy.study.preloaded")
LIBRARIES = (
    *("mlflow.cli", "mlflow.pytorch", "mlflow.pyfunc", "torch._dynamo", "torch.export"),
    *("matplotlib.pyplot", "matplotlib.backends.backend_agg", "sqlalchemy.dialects.sqlite", "git"),
)
MAX_REQUEST = 1 << 20


def preload() -> None:
    """Import what the entry points import, without starting a thread: a fork copies only the thread that forks."""
    gc.disable()
    sys.path.insert(0, str(SOURCE))
    for name in (*FIRST, *LIBRARIES):
        importlib.import_module(name)
    package = importlib.import_module("lrstudy")
    for module in pkgutil.walk_packages(package.__path__, "lrstudy."):
        importlib.import_module(module.name)
    importlib.import_module("lrstudy.tracking.model_export").warm_up()
    importlib.import_module("databases").read_migrations_once()
    del sys.path[0]
    gc.freeze()
    gc.enable()
    assert threading.active_count() == 1, threading.enumerate()


def serve(address: str, owner: int) -> NoReturn:
    """Fork a process per request, until the pytest run ends."""
    wakeup, on_signal = socket.socketpair()
    for end in (wakeup, on_signal):
        end.setblocking(False)
    signal.set_wakeup_fd(on_signal.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(f"{address}.new")
        listener.listen(64)
        Path(f"{address}.new").rename(address)  # a client may connect as soon as it is there
        for readable in (listener, wakeup, owner):
            selector.register(readable, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if owner in ready:
                end_all(running)
            if wakeup in ready:
                wakeup.recv(4096)
                report_ended(running)
            if listener in ready:
                connection, _ = listener.accept()
                running[fork(connection)] = connection


def end_all(running: dict[int, socket.socket]) -> NoReturn:
    """End with the pytest run, and everything that it left running."""
    for process in running:
        os.kill(process, signal.SIGTERM)
    os._exit(0)


def report_ended(running: dict[int, socket.socket]) -> None:
    """Send the status of each process that has ended to the test that started it."""
    while running:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process == 0:
            return
        with running.pop(process) as connection:
            try:
                connection.sendall(f"{status}\n".encode())
            except BrokenPipeError:  # the test does not wait for it
                continue


def fork(connection: socket.socket) -> int:
    """Fork a process that runs the request; send and return its id."""
    content, streams, _, _ = socket.recv_fds(connection, MAX_REQUEST, 3)
    while not content.endswith(b"\n"):
        content += connection.recv(MAX_REQUEST)
    process = os.fork()
    if process == 0:
        signal.set_wakeup_fd(-1)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        close_other_files(())
        run(json.loads(content))
    for stream in streams:
        os.close(stream)
    connection.sendall(f"{process}\n".encode())
    return process


def close_other_files(kept: Sequence[int]) -> None:
    """Close all files but the standard streams and those `kept`."""
    start = 3
    for file in sorted(kept):
        os.closerange(start, file)
        start = file + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def run(request: dict[str, Any]) -> NoReturn:
    """Run what a new interpreter with these arguments would, and end as it would."""
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["new_session"]:
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    tempfile.tempdir = None
    util.spawnv_passfds = fork_instead  # type: ignore[assignment]
    end_with(lambda: run_arguments(request["arguments"]))


def run_arguments(arguments: list[str]) -> None:
    """Run `SCRIPT …`, `-c CODE …`, or `-m MODULE …` as the main module."""
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    first, *rest = arguments
    if first == "-m":
        sys.argv = rest
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    if first == "-c":
        code, sys.argv = rest[0], ["-c", *rest[1:]]
        sys.path.insert(0, "")
        exec(compile(code, "<string>", "exec"), main.__dict__)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(first).resolve().parent))
        main.__file__ = str(Path(first).absolute())
        exec(compile(Path(first).read_bytes(), first, "exec"), main.__dict__)


def end_with(function: Callable[[], None]) -> NoReturn:
    """Call `function`, then end the process with the exit code that Python gives it, without collecting garbage."""
    code: Any = 0
    interrupted = False
    try:
        function()
    except SystemExit as end:
        code = end.code
        if not isinstance(code, int | None):
            print(code, file=sys.stderr)
            code = 1
    except BaseException as error:
        traceback.print_exc()
        code = 1
        interrupted = isinstance(error, KeyboardInterrupt)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit((code or 0) & 0xFF)


def fork_instead(path: Any, arguments: list[Any], kept: Sequence[int]) -> int:
    """Fork multiprocessing's fork server from this process, which has imported everything; start other programs."""
    code = os.fsdecode(arguments[-1])
    if "multiprocessing.forkserver" not in code or threading.active_count() > 1:
        return int(start_program(path, arguments, kept))
    if process := os.fork():
        return process
    close_other_files(kept)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.modules["__main__"] = ModuleType("__main__")
    forkserver._forkserver.__init__()  # type: ignore[misc]
    resource_tracker._resource_tracker.__init__()  # type: ignore[misc]
    multiprocessing.process._children.clear()  # type: ignore[attr-defined]
    end_with(lambda: exec(code, {"__name__": "__main__"}))


start_program = util.spawnv_passfds

if __name__ == "__main__":
    socket_path, alive_path = sys.argv[1:]
    # Opened first, when the pytest run surely lives: a pipe that never had a writer does not report its end.
    run_lives = os.open(alive_path, os.O_RDONLY | os.O_NONBLOCK)
    preload()
    serve(socket_path, run_lives)
