"""A command that starts in milliseconds, since `command_server.py` has imported what it needs."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from shared_by_workers import command_server


class PreloadedProcess(subprocess.Popen[str]):
    """A `subprocess.Popen` of this Python, forked by the command server instead of started anew.

    Signals, exit codes, streams, environment and working directory are those of a process. The server is its parent,
    and reports its end: hence the three methods that speak to the server, which are those of Python 3.11.
    """

    def __init__(self, arguments: list[str], **options: Any) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._status = b""
        super().__init__([sys.executable, *arguments], text=True, **options)

    def _execute_child(self, args: list[str], *rest: Any) -> None:
        cwd, env = rest[4], rest[5]
        pipes, new_session = rest[9:15], rest[20]
        request = {
            "arguments": args[1:],
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
            "new_session": new_session,
        }
        streams = [pipe if pipe != -1 else number for number, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        try:
            self._server.connect(command_server())
            socket.send_fds(self._server, [json.dumps(request).encode() + b"\n"], streams)
            self.pid = int(self._line())
            self._child_created = True
        except BaseException:
            self._server.close()
            raise
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def detach(self) -> None:
        """Wait for it no longer: it ends with the pytest run, after this process."""
        self._server.close()
        self.returncode = 0

    def _line(self) -> bytes:
        while not self._status.endswith(b"\n"):
            received = self._server.recv(1)
            if not received:
                raise RuntimeError("the command server has ended")
            self._status += received
        line, self._status = self._status, b""
        return line

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if wait_flags & os.WNOHANG and not select.select([self._server], [], [], 0)[0]:
            return 0, 0
        status = int(self._line())
        self._server.close()
        return self.pid, status

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                process, status = self._try_wait(os.WNOHANG)
                if process == self.pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def run_preloaded(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python to its end, as `subprocess.run(..., capture_output=True)` does."""
    with PreloadedProcess(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            process.send_signal(signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
