"""Where on this machine the project keeps what it may lose: all in the user's cache folder."""

from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path


def cache() -> Path:
    """The folder of all the rest; on Linux `~/.cache/lrstudy`, moved by `XDG_CACHE_HOME`."""
    return user_cache_path("lrstudy")


def checkpoint(run_id: str) -> Path:
    """The file of a training's checkpoint, by its run."""
    return cache() / "checkpoints" / f"{run_id}.pt"


def remove_checkpoint(run_id: str) -> None:
    """Removes the checkpoint of a run that has ended, and what was being written of one when a process was killed."""
    path = checkpoint(run_id)
    with suppress(OSError):
        for file in path.parent.glob(f"{path.stem}.*"):
            file.unlink(missing_ok=True)
