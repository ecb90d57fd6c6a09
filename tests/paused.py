"""Commands whose trainings pause after an epoch until the test lets them continue, so that it has time to disturb them.

The trainings are of EPOCHS epochs. Pauses and permissions to continue are files in the working folder of the test.
"""

import os
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lrstudy.study import progress_channel, trial
from lrstudy.study.trial_job import TrialJob
from lrstudy.training import checkpoint
from lrstudy.training.epoch import Epoch
from lrstudy.training.result import WorkerResult
from preloaded_process import PreloadedProcess

EPOCHS = 12
LAST_CHECKPOINT = 3  # of a training that pauses; an undisturbed one needs none
PAUSES = (5, 8)
COMMAND = """
import sys
sys.argv[0] = {script!r}  # which MLflow logs as the source
import paused
from lrstudy.cli.entry_point import run_main
from lrstudy.study import commands, worker_tasks
worker_tasks.train = paused.train
run_main({main})
"""


@contextmanager
def running_with_pauses(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command `name`, such as `grid`, and kill it at the end of the block; its trainings pause."""
    tests = Path(__file__).parent
    source = tests.parent / "src"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(source), str(tests)])}
    pipe = subprocess.PIPE
    without_report = f"lambda arguments: commands.run_{name}(arguments, lambda *_: None)"
    main = "commands.run_train" if name == "train" else without_report
    command = ["-c", COMMAND.format(main=main, script=str(source / f"{name}.py")), *arguments]
    with PreloadedProcess(command, stdout=pipe, stderr=pipe, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_pause(process: subprocess.Popen[str], epoch: int = PAUSES[0], others: Collection[int] = ()) -> int:
    """Wait until a worker of `process` that is not one of `others` pauses after `epoch`; return its id."""
    while not (paused := {int(file.suffix[1:]) for file in Path().glob(f"paused after {epoch}.*")} - set(others)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return paused.pop()


def release(*epochs: int) -> None:
    """Let the trainings that pause after these epochs continue; without any, let all continue to their end."""
    for epoch in epochs or PAUSES:
        _permission(epoch).touch()


def train(job: TrialJob) -> WorkerResult:
    """Train in place of `worker_tasks.train`, with a checkpoint after each epoch up to LAST_CHECKPOINT, and pauses."""
    progress_channel.SECONDS_BETWEEN_MESSAGES = -1.0  # each epoch is reported at once
    save_checkpoints = checkpoint.save_checkpoints

    def pausing(*arguments: Any) -> Iterator[Epoch]:
        checkpoint.SECONDS_BETWEEN, checkpoint.MAX_SHARE = -1.0, float("inf")
        for epoch in save_checkpoints(*arguments):
            yield epoch
            if epoch.epoch == LAST_CHECKPOINT:
                checkpoint.SECONDS_BETWEEN = float("inf")
            if epoch.epoch in PAUSES:
                _pause(epoch.epoch)

    checkpoint.save_checkpoints = pausing  # type: ignore[assignment]  # whose arguments it passes on
    try:
        return trial.run_trial(job)
    finally:
        checkpoint.save_checkpoints = save_checkpoints


def _pause(epoch: int) -> None:
    if not _permission(epoch).exists():
        Path(f"paused after {epoch}.{os.getpid()}").touch()
        while not _permission(epoch).exists():
            time.sleep(0.02)


def _permission(epoch: int) -> Path:
    return Path(f"continue after {epoch}")
