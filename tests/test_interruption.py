"""The report of an interrupted command: the work that it kept, and that the same command continues."""

import signal
import sys
import time

import pytest

from lrstudy.cli.interruption import NOTHING_KEPT, print_once, report_interruption
from preloaded_process import run_preloaded
from studies import running, runs

SLOW = ("--epochs", "100000", "--hidden", "8")


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(143)])
def test_only_the_innermost_interrupted_block_prints_a_report(
    end: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        with report_interruption(lambda: "all is lost."), report_interruption(lambda: "nothing is kept.") as kept:
            kept.describe = lambda: "3 of 4 are kept."
            raise end

    with pytest.raises(type(end)) as caught:
        interrupted()
    assert isinstance(caught.value, KeyboardInterrupt | SystemExit)
    print_once(caught.value, NOTHING_KEPT)
    assert capsys.readouterr().err == "interrupted: 3 of 4 are kept.\n"


def test_a_second_signal_during_the_first_ones_report_prints_no_second_one(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted_twice() -> None:
        with report_interruption(lambda: "the last epochs are kept."):
            try:
                with report_interruption(lambda: "3 of 4 are kept."):
                    raise SystemExit(143)
            finally:  # as while workers are stopped
                raise SystemExit(143)

    with pytest.raises(SystemExit) as caught:
        interrupted_twice()
    print_once(caught.value, NOTHING_KEPT)
    assert capsys.readouterr().err == "interrupted: 3 of 4 are kept.\n"


@pytest.mark.parametrize("code", [0, 1, None, "a sentence"])
def test_the_normal_exit_of_a_command_is_not_an_interruption(code: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), report_interruption(lambda: "nothing is kept."):
        sys.exit(code)  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("tracking_uri")
@pytest.mark.parametrize(
    ("script", "arguments", "number", "code", "said"),
    [
        (
            "train.py",
            (*SLOW, "--lr", "0.001"),
            signal.SIGINT,
            130,
            "is kept; the same command resumes it from its last checkpoint",
        ),
        (
            "grid.py",
            (*SLOW, "--workers", "2", "--optimizers", "sgd,adam", "--lrs", "0.001"),
            signal.SIGTERM,
            143,
            "interrupted: 0 of 2 trainings finished and kept, 2 will resume from the last checkpoint; the same command",
        ),
    ],
)
def test_an_interrupted_command_reports_what_was_kept(
    script: str, arguments: tuple[str, ...], number: signal.Signals, code: int, said: str
) -> None:
    with running(script, *arguments) as process:
        while sum("val_loss" in run.data.metrics for run in runs()) != (1 if script == "train.py" else 2):
            assert process.poll() is None
            time.sleep(0.2)
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == code
    (sentence,) = [line for line in errors.splitlines() if line.startswith("interrupted")]
    assert said in sentence
    assert "the same command" in sentence


def test_ctrl_c_that_a_library_turns_into_its_own_error_prints_one_sentence() -> None:
    raised = "def main(_): raise ValueError('Error building a validator:\\n  KeyboardInterrupt: ')"
    ended = run_preloaded(["-c", f"from lrstudy.cli.entry_point import run_main\n{raised}\nrun_main(main)"])
    assert (ended.returncode, ended.stderr) == (130, f"{NOTHING_KEPT}\n")
