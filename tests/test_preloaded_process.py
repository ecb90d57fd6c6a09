"""A process of the command server against what the same command is in a new interpreter."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from preloaded_process import PreloadedProcess, run_preloaded

DESCRIBES_ITSELF = """
import os, sys
print(sys.argv, os.getcwd(), os.environ.get("OF_TEST"), sys.stdin.readline(), __name__, os.getsid(0) == os.getpid())
print(sys.modules["__main__"].__dict__ is globals(), sorted(os.listdir("/proc/self/fd"))[:3], file=sys.stderr)
"""


@pytest.mark.parametrize("new_session", [False, True])
def test_arguments_folder_environment_streams_and_session_are_its_own(tmp_path: Path, new_session: bool) -> None:
    arguments, environment = ["-c", DESCRIBES_ITSELF, "one", "two"], os.environ | {"OF_TEST": "set"}
    pipe = subprocess.PIPE
    with PreloadedProcess(
        arguments, stdin=pipe, stdout=pipe, stderr=pipe, cwd=tmp_path, env=environment, start_new_session=new_session
    ) as process:
        forked = process.communicate("asked\n")
    new = subprocess.run(
        [sys.executable, *arguments],
        input="asked\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        start_new_session=new_session,
    )
    assert forked == (new.stdout, new.stderr)


@pytest.mark.parametrize(
    "code",
    [
        "pass",
        "import sys; sys.exit(3)",
        "import sys; sys.exit('a sentence')",
        "1 / 0",
        "import os; os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import atexit; atexit.register(print, 'at the end')",
    ],
)
def test_a_process_ends_as_a_new_interpreter_does(code: str) -> None:
    forked = run_preloaded(["-c", code])
    new = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (forked.returncode, forked.stdout) == (new.returncode, new.stdout)
    assert forked.stderr.splitlines()[-1:] == new.stderr.splitlines()[-1:]


def test_a_killed_process_is_gone_when_its_end_is_known() -> None:
    with PreloadedProcess(["-c", "import time; time.sleep(60)"]) as process:
        assert process.poll() is None
        process.kill()
        assert process.wait(20) == -signal.SIGKILL
    assert not psutil.pid_exists(process.pid)


def test_multiprocessing_forks_its_server_from_the_process_and_runs_the_script_there(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, os, sys\n"
        "def show(queue):\n    queue.put((__name__, 'torch' in sys.modules, os.getppid()))\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('forkserver')\n"
        "    queue = context.SimpleQueue()\n"
        "    process = context.Process(target=show, args=(queue,))\n"
        "    process.start()\n"
        "    name, preloaded, parent = queue.get()\n"
        "    process.join()\n"
        "    print(name, preloaded, parent != os.getpid(), process.exitcode)\n"
    )
    ended = run_preloaded([str(script)])
    assert (ended.stdout, ended.stderr) == ("__mp_main__ True True 0\n", "")
