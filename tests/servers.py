"""A real tracking server on loopback, and a proxy before it that fails as a test demands."""

import os
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Literal

from preloaded_process import PreloadedProcess


@contextmanager
def tracking_server(folder: Path, database: str | None = None) -> Iterator[str]:
    """Run a tracking server, and yield its address; it stores its data in `folder`, unless a `database` is given."""
    process, url = start_tracking_server(folder, database)
    try:
        yield url
    finally:
        process.terminate()
        process.wait()


def start_tracking_server(folder: Path, database: str | None = None) -> tuple[PreloadedProcess, str]:
    """Start a server; return its process and its address when it answers."""
    port = free_port()
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database or f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "served")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("a") as log:
        process = PreloadedProcess(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    _wait_for(f"http://127.0.0.1:{port}")
    return process, f"http://127.0.0.1:{port}"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(url: str) -> None:
    # Not urlopen, which keeps the proxies of the environment that it was first called in.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            with opener.open(f"{url}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(url)


Fault = Literal[
    "answer 200", "answer 403", "answer 404", "answer 500", "reject", "close", "lose the answer", "lose first answers"
]
How = Fault | Literal["pass on", "hang"]
REJECTION = b'{"error_code": "PERMISSION_DENIED", "message": "this file is not for you"}'


class Front(ThreadingHTTPServer):
    """Passes on to a server what it is asked, or does as `how` says.

    With `only`, it passes on all questions whose method and path do not have that in them, as in `PUT .*weights`.
    With `until`, it passes all on until a question has that in it. What is to happen `meanwhile` does so once, between
    the server's answer to the first question that is not passed on by `until` and the asker's getting it.
    """

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind.removeprefix("http://")
        self.how: How = "pass on"
        self.until = b""
        self.only = ""
        self.meanwhile: Callable[[], None] | None = None
        self.closing = Event()
        self.answered: set[tuple[str, str]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["Front"]:
        thread = Thread(target=self.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self.shutdown()
            self.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.until in self.path.encode() + body:
            self.server.until = b""
        how = "pass on" if self.server.until else self.server.how
        if not re.search(self.server.only, f"{self.command} {self.path}"):
            how = "pass on"
        while self.server.how == "hang" and not self.server.closing.wait(0.05):
            pass
        if how.startswith("answer "):
            self._say(int(how.removeprefix("answer ")), b"<html>oops</html>", "text/html")
        elif how == "reject":
            self._say(403, REJECTION, "application/json")
        elif how in ("close", "hang"):
            self.close_connection = True
        else:
            status, content, kind = self._passed_on(body)
            if not self.server.until and (happens := self.server.meanwhile):
                self.server.meanwhile = None
                happens()
            question = self.command, self.path.partition("?")[0]
            if how == "lose the answer" or (how == "lose first answers" and question not in self.server.answered):
                self.close_connection = True
            else:
                self._say(status, content, kind)
            self.server.answered.add(question)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's names

    def _passed_on(self, body: bytes) -> tuple[int, bytes, str]:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        with closing(HTTPConnection(self.server.behind, timeout=60)) as connection:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        return answer.status, content, answer.headers.get("Content-Type", "application/json")

    def _say(self, status: int, content: bytes, kind: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # who asked has gone
            self.close_connection = True
