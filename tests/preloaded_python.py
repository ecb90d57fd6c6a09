"""`python SCRIPT …`, run by the command server of the tests: it gets this process's streams, environment and folder."""

import json
import os
import socket
import sys

ADDRESS = os.environ["LRSTUDY_TESTS_SHARED_FOLDER"] + "/commands"

with socket.socket(socket.AF_UNIX) as server:
    server.connect(ADDRESS)
    request = {"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ), "new_session": False}  # noqa: PTH109 - pathlib takes 10 ms
    socket.send_fds(server, [json.dumps(request).encode() + b"\n"], [0, 1, 2])
    with server.makefile() as answers:
        next(answers)  # the process's id
        code = os.waitstatus_to_exitcode(int(next(answers)))
sys.exit(code if code >= 0 else 128 - code)
