"""Output that cannot be written, in real processes: nothing ends because of it, and the exit code says so."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from preloaded_process import PreloadedProcess
from studies import runs

SCRIPT = """
import os, sys
from lrstudy.cli.entry_point import run_main

def main(arguments):
    with open("opened", "w") as opened:
        print("a result", "猫")
        print("progress", flush=True, file=sys.stderr)
        for _ in range(10_000):
            print("a long result")
        opened.write("content")

if __name__ == "__main__":
    run_main(main)
"""
LOST_OUT = "error: standard output could not be written ({}); everything else was completed."
LOST_ERR = "error: standard error could not be written ({}); everything else was completed."


def shell(redirection: str, **environment: str) -> subprocess.CompletedProcess[str]:
    Path("script.py").write_text(SCRIPT, encoding="utf-8")
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$0" script.py {redirection}', sys.executable],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | environment,
        capture_output=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    ("redirection", "last_line", "on"),
    [
        ("> /dev/full", LOST_OUT.format("No space left on device"), "stderr"),
        ("| head -1", LOST_OUT.format("Broken pipe"), "stderr"),
        (">&-", LOST_OUT.format("Bad file descriptor"), "stderr"),
        ("2> /dev/full", LOST_ERR.format("No space left on device"), "stdout"),
        ("2>&-", LOST_ERR.format("Bad file descriptor"), "stdout"),
        ("> /dev/full 2>&1", "", "stderr"),
        (">&- 2>&- <&-", "", "stderr"),
    ],
)
def test_output_that_cannot_be_written_does_not_end_the_work(redirection: str, last_line: str, on: str) -> None:
    ended = shell(redirection)
    assert ended.returncode == 4
    assert "\n".join(getattr(ended, on).splitlines()[-1:]) == last_line
    assert "Traceback" not in ended.stderr
    assert Path("opened").read_text() == "content"


def test_output_that_is_written_ends_well() -> None:
    ended = shell("")
    assert (ended.returncode, ended.stderr, len(ended.stdout.splitlines())) == (0, "progress\n", 10_001)
    assert ended.stdout.startswith("a result 猫\na long result\n")


def test_a_character_that_the_output_cannot_encode_is_escaped() -> None:
    ended = shell("", PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, r"a result \u732b")


def test_a_pipe_that_another_program_made_non_blocking_gets_every_line() -> None:
    Path("script.py").write_text(SCRIPT, encoding="utf-8")
    end, start = os.pipe()
    os.set_blocking(start, False)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen([sys.executable, "script.py"], env=environment, stdout=start)
    os.close(start)
    with os.fdopen(end, encoding="utf-8") as lines:
        assert len(lines.readlines()) == 10_001
    assert process.wait() == 0


def test_credentials_in_what_a_library_prints_are_removed() -> None:
    code = "raise ValueError('https://me:secret@host/ is away')"
    Path("fails.py").write_text(f"from lrstudy.cli.entry_point import run_main\ndef main(_): {code}\nrun_main(main)\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    ended = subprocess.run([sys.executable, "fails.py"], env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.endswith("ValueError: https://host/ is away\n")


@pytest.mark.usefixtures("tracking_uri")
def test_a_training_whose_output_and_progress_cannot_be_written_is_finished_with_everything() -> None:
    with Path("/dev/full").open("w") as full:
        process = PreloadedProcess([str(ROOT / "src/train.py"), "--epochs", "2"], stdout=full, stderr=full)
    assert process.wait() == 4
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.metrics["best/epoch"] == 2


@pytest.mark.slow
@pytest.mark.usefixtures("tracking_uri")
def test_a_grid_whose_terminal_is_closed_meanwhile_is_finished() -> None:
    terminal, theirs = pty.openpty()
    command = [str(ROOT / "src/grid.py"), "--epochs", "2", "--lrs", "0.1,0.01", "--optimizers", "sgd", "--workers", "1"]
    process = PreloadedProcess(command, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.read(terminal, 1)
    os.close(terminal)
    assert process.wait() == 4
    assert [run.info.status for run in runs()] == ["FINISHED"] * 3
