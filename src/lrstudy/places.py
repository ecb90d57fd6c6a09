"""Where on this machine the project keeps what it may lose: all in the user's cache folder."""

import shutil
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path


def cache() -> Path:
    """The folder of all the rest; on Linux `~/.cache/lrstudy`, moved by `XDG_CACHE_HOME`."""
    return user_cache_path("lrstudy")


def checkpoint(run_id: str) -> Path:
    """The file of a training's checkpoint, by its run."""
    return cache() / "checkpoints" / f"{run_id}.pt"


def copy_checkpoint(from_run: str, to_run: str) -> None:
    """Makes the checkpoint of a run that of another one too, whole or not at all."""
    unfinished = checkpoint(to_run).with_suffix(".copy")
    with suppress(OSError):  # without one the training starts over
        shutil.copyfile(checkpoint(from_run), unfinished)
        unfinished.replace(checkpoint(to_run))


def move_checkpoint(from_run: str, to_run: str) -> None:
    """Makes the checkpoint of a run, if it has one, that of another one."""
    with suppress(OSError):
        checkpoint(from_run).replace(checkpoint(to_run))


def remove_checkpoint(run_id: str) -> None:
    """Removes the checkpoint of a run that has ended, and what was being written of one when a process was killed."""
    path = checkpoint(run_id)
    with suppress(OSError):
        for file in path.parent.glob(f"{path.stem}.*"):
            file.unlink(missing_ok=True)
