"""Where on this machine the project keeps what it may lose: all in the user's cache folder."""

import shutil
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """The folder of all the rest; on Linux `~/.cache/lrstudy`, moved by `XDG_CACHE_HOME`."""
    return user_cache_path("lrstudy")


def checkpoint(run_id: str) -> Path:
    """The file of a training's checkpoint, by its run."""
    return cache_folder() / "checkpoints" / f"{run_id}.pt"


def times(run_id: str) -> Path:
    """The file of when a training's epochs were first logged, by its run: it lies beside its checkpoint."""
    return checkpoint(run_id).resolve().with_suffix(".times")


def copy_checkpoint(from_run: str, to_run: str) -> None:
    """Makes the checkpoint of a run that of another one too, whole or not at all."""
    unfinished = checkpoint(to_run).with_suffix(".copy")
    with suppress(OSError):  # without one the training starts over
        shutil.copyfile(checkpoint(from_run), unfinished)
        unfinished.replace(checkpoint(to_run))


def link_checkpoint(of_run: str, name: str) -> None:
    """Makes the checkpoint of a run, which may be written later, known by another name of the run, too."""
    link = checkpoint(name)
    with suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(checkpoint(of_run).name)


def remove_checkpoint(run_id: str) -> None:
    """Removes the checkpoint of a run that has ended, and what was being written of one when a process was killed."""
    named = checkpoint(run_id)
    with suppress(OSError):
        for path in (named.resolve(), named):
            for file in path.parent.iterdir():
                if file.stem == path.stem:
                    file.unlink(missing_ok=True)
